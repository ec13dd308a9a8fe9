/// Something that a loop does once behind all the work that it has, however often that work asks for it: one wake-up of
/// another thread for many messages.
public final class Afterthought: Sendable {
    private let action: @Sendable () -> Void

    public init(_ action: @escaping @Sendable () -> Void) { self.action = action }

    /// On a loop's thread has it done before the loop waits again, or goes on for too long; elsewhere at once.
    public func request() {
        guard let loop = EventLoop.current else { return action() }
        loop.add(self)
    }

    func perform() { action() }
}
