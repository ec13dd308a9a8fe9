import Testing

@testable import Sessions

@Suite("When the write-ahead log is copied and cut")
struct WriteAheadLogTests {
    private let mebibyte = 1 << 20

    @Test("with room on the disk it is copied when it has almost 16 MiB, and cut where its file has more")
    func room() {
        let log = WriteAheadLog(limit: nil)
        for free in [nil, 1 << 40, 32 * mebibyte] {
            #expect(log.due(written: 13 * mebibyte, length: 15 * mebibyte, free: free) == nil)
            #expect(log.due(written: 14 * mebibyte, length: 15 * mebibyte, free: free) == .copying)
            #expect(log.due(written: 14 * mebibyte, length: 16 * mebibyte + 1, free: free) == .cutting)
            // A large transaction that was rolled back leaves a long file without content.
            #expect(log.due(written: 100, length: 40 * mebibyte, free: free) == .cutting)
        }
    }

    @Test("a limit leaves it a quarter", arguments: [1 << 20, 3 << 20, 100_000])
    func limit(limit: Int) {
        let log = WriteAheadLog(limit: limit)
        #expect(log.limit == limit / 4)
        #expect(log.due(written: limit / 5, length: limit / 4, free: nil) == nil)
        #expect(log.due(written: limit / 4 - limit / 32, length: limit / 4, free: nil) == .copying)
        #expect(log.due(written: 1, length: limit / 4 + 1, free: nil) == .cutting)
        #expect(WriteAheadLog(limit: 1 << 40).limit == 16 * mebibyte)
    }

    @Test("on a disk that is almost full it stays shorter than half of what is free")
    func scarce() {
        let log = WriteAheadLog(limit: nil)
        for (length, free) in [(1, 0), (3 * mebibyte, 5 * mebibyte), (5000, 9998)] {
            #expect(log.due(written: length, length: length, free: free) == .cutting)
        }
        #expect(log.due(written: 2 * mebibyte, length: 2 * mebibyte, free: 6 * mebibyte) == nil)
        #expect(log.due(written: 3 * mebibyte - 1, length: 3 * mebibyte, free: 6 * mebibyte) == .copying)
        #expect(log.due(written: 0, length: 0, free: 0) == nil)
    }

    @Test("a log that the disk has not taken is copied no more until something has changed")
    func refused() {
        var log = WriteAheadLog(limit: nil)
        log.noteRefusal(length: 3 * mebibyte, free: 100)
        for free in [0, 100] {
            #expect(log.due(written: 3 * mebibyte, length: 3 * mebibyte + 60_000, free: free) == nil)
            #expect(!log.mayGiveRoom(length: 3 * mebibyte, free: free))
        }
        #expect(log.due(written: 3 * mebibyte, length: 3 * mebibyte, free: 101) == .cutting)
        #expect(log.mayGiveRoom(length: 3 * mebibyte, free: 101))
        #expect(log.due(written: 3 * mebibyte, length: 3 * mebibyte + 65_536, free: 0) == .cutting)
        log.noteCopy()
        #expect(log.mayGiveRoom(length: 1, free: 0))
    }

    @Test("a cut that has not helped a transaction is not tried for the next, and holds up no copy")
    func useless() {
        var log = WriteAheadLog(limit: 4 * mebibyte)
        #expect(!log.mayGiveRoom(length: 0, free: 0) && log.mayGiveRoom(length: 1, free: nil))
        log.noteUselessness(length: 0)
        for free in [nil, 0, 1 << 40] {
            #expect(!log.mayGiveRoom(length: 65_535, free: free))
            #expect(log.mayGiveRoom(length: 65_536, free: free))
        }
        #expect(log.due(written: mebibyte, length: mebibyte, free: nil) == .copying)
        log.noteUse()
        #expect(log.mayGiveRoom(length: 1, free: nil))
    }
}
