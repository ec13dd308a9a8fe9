/// Why a suspended reader or writer goes on.
enum Wake {
    case ready
    case closed
    case timedOut
}

/// A descriptor that a loop watches: it owns the descriptor, closes it once, and holds who waits for it.
/// After `EventLoop.register` it is used on that loop only.
final class Registration {
    let descriptor: Int32
    let loop: EventLoop
    /// Tells this use of the descriptor's number from earlier and later ones; 0 before `EventLoop.register`.
    var number: UInt32 = 0

    private(set) var isOpen = true
    /// False only after the kernel said that there is nothing to read; the next edge makes it true again.
    var canRead = true
    /// False only after the kernel said that there is no room; the next edge makes it true again.
    var canWrite = true
    /// The peer will send no more. What it sent before may still be waiting.
    var peerFinished = false
    /// The connection is dead in both directions.
    private(set) var hungUp = false
    var onHangUp: (() -> Void)?
    var onPeerFinished: (() -> Void)?

    /// What is to be sent soon, or as soon as there is room.
    private(set) var unsent: [UInt8] = []
    /// Why it could not be sent.
    private(set) var failure: Int32?
    /// Whether the loop has it among those to send.
    var isSender = false

    let reader = Waiter()
    let writer = Waiter()

    init(owning descriptor: Int32, loop: EventLoop) {
        self.descriptor = descriptor
        self.loop = loop
    }

    deinit {
        if isOpen { Syscall.close(descriptor) }
    }

    /// The descriptor in the low half and the registration's number in the high half.
    var token: UInt64 { UInt64(number) << 32 | UInt64(UInt32(bitPattern: descriptor)) }

    func deliver(_ readiness: Readiness) {
        let finishes = readiness.peerFinished && !peerFinished
        if finishes { peerFinished = true }
        if readiness.canRead {
            canRead = true
            reader.wake(.ready)
        }
        if readiness.canWrite {
            canWrite = true
            sendUnsent()
            writer.wake(.ready)
        }
        if readiness.hungUp, !hungUp {
            hungUp = true
            let action = onHangUp
            onHangUp = nil
            action?()
        } else if finishes, !hungUp {
            onPeerFinished?()
        }
    }

    /// Has `bytes` sent with those of the loop's other descriptors.
    func sendSoon(_ bytes: [UInt8]) {
        guard isOpen, failure == nil else { return }
        unsent.append(contentsOf: bytes)
        if !isSender { loop.addSender(self) }
    }

    /// Hands the kernel what it takes of the bytes that are to be sent.
    func sendUnsent() {
        while isOpen, canWrite, !unsent.isEmpty {
            switch Syscall.send(descriptor, unsent, from: 0, more: false) {
            case .done(unsent.count): unsent.removeAll(keepingCapacity: true)
            case .done(let count): unsent.removeFirst(count)
            case .wouldBlock: canWrite = false
            case .failed(let code):
                failure = code
                unsent = []
            }
        }
    }

    /// Closing takes the descriptor out of epoll as well, because nothing duplicates it.
    func close() {
        guard isOpen else { return }
        isOpen = false
        (onHangUp, onPeerFinished) = (nil, nil)
        loop.forget(self)
        Syscall.close(descriptor)
        reader.wake(.closed)
        writer.wake(.closed)
        reader.disarm(loop)
        writer.disarm(loop)
    }
}

/// The place of the one task that waits for one direction of a descriptor.
///
/// Its alarm is lazy: a wait that ends in time leaves the alarm where it was, and an alarm that rings early is moved to
/// the deadline of the wait then under way. A busy connection so touches the loop's heap once per idle time, not once
/// per request.
@safe final class Waiter {
    /// Resumed once: whoever takes it out of here does that, and none is put in while there is one.
    private var continuation: UnsafeContinuation<Wake, Never>?
    private var deadline = MonotonicInstant.never
    private var alarm: Timer?

    func wait(on loop: EventLoop, until deadline: MonotonicInstant) async -> Wake {
        precondition(unsafe continuation == nil, "two tasks wait for one direction of one socket")
        self.deadline = deadline
        arm(loop)
        return await unsafe withUnsafeContinuation { unsafe continuation = $0 }
    }

    func wake(_ reason: Wake) {
        guard let waiting = unsafe continuation else { return }
        unsafe continuation = nil
        unsafe waiting.resume(returning: reason)
    }

    func disarm(_ loop: EventLoop) {
        if let alarm { loop.cancel(alarm) }
        alarm = nil
    }

    private func arm(_ loop: EventLoop) {
        if deadline == .never { return }
        if let alarm, alarm.isPending, alarm.deadline <= deadline { return }
        disarm(loop)
        alarm = loop.schedule(at: deadline) { [unowned loop, weak self] in self?.ring(loop) }
    }

    private func ring(_ loop: EventLoop) {
        alarm = nil
        guard unsafe continuation != nil else { return }
        if loop.now >= deadline { wake(.timedOut) } else { arm(loop) }
    }
}
