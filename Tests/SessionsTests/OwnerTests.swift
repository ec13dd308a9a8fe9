import Kernels
import Testing

@testable import Sessions

@Suite("Owners of sessions")
struct OwnerTests {
    private let matrix = Matrix(rows: 1, columns: 4)

    private func table() -> SessionTable { SessionTable(budget: 1 << 20) { 0 } }

    @Test("names are scoped and come apart again") func names() {
        #expect(SessionID.scoped("a", owner: "") == "a" && SessionID.scoped("a", owner: "o") == "o/a")
        for (scoped, owner, local) in [("a", "", "a"), ("o/a", "o", "a")] {
            #expect(SessionID.owner(scoped) == owner && SessionID.local(scoped) == local && SessionID.isScoped(scoped))
        }
        for text in ["", "/", "/a", "o/", "o/p/a", "o a/b", "o/b c"] { #expect(!SessionID.isScoped(text), "\(text)") }
    }

    @Test("a list has an owner's sessions in order, a page at a time, whoever else has how many") func list() throws {
        let table = table()
        for index in 0..<300 {
            for owner in ["", "ada", "bob"] where index % 3 == 0 || owner == "bob" {
                let id = SessionID.scoped("s\(index)", owner: owner)
                _ = try table.create(id: id, model: "m", from: matrix, row: 0, step: index, owner: owner)
            }
        }
        for index in stride(from: 0, to: 300, by: 6) { try table.delete("ada/s\(index)") }
        for (owner, count) in [("", 100), ("ada", 50), ("bob", 300), ("eve", 0)] {
            var (names, after): ([String], String?) = ([], nil)
            while true {
                let page = try table.list(limit: 7, after: after, owner: owner)
                names += page.records.map(\.name)
                #expect(page.records.allSatisfy { SessionID.owner($0.id) == owner })
                guard page.more else { break }
                after = page.records.last?.id
            }
            #expect(names.count == count && names == names.sorted { Int($0.dropFirst())! < Int($1.dropFirst())! })
        }
    }

    @Test("a quota counts what its owner has, and lets go of what ends") func quota() throws {
        let table = table()
        let quota = SessionQuota(sessions: 3, bytes: 40)
        func make(_ name: String?, _ owner: String = "ada") throws -> SessionRecord {
            try table.create(
                id: name.map { SessionID.scoped($0, owner: owner) }, model: "m", from: matrix, row: 0, step: 0,
                owner: owner, quota: quota)
        }
        let first = try make("a")
        let second = try make(nil)
        #expect(SessionID.owner(second.id) == "ada")
        // Three would be 48 bytes.
        #expect(throws: SessionError.quotaFull(quota)) { try make("c") }
        #expect(throws: SessionError.quotaFull(quota)) {
            try table.fork(first.id, serial: first.serial, into: [nil], quota: quota)
        }
        #expect(table.accounts.holdings(of: "ada") == .init(sessions: 2, bytes: 32))
        _ = try make("a", "bob")
        try table.delete(second.id)
        let fork = try table.fork(first.id, serial: first.serial, into: [nil], quota: quota)
        #expect(SessionID.owner(fork[0].id) == "ada")
        for id in ["ada/a", fork[0].id, "bob/a"] { try table.delete(id) }
        #expect(table.accounts.holdings(of: "ada") == .init() && table.accounts.holdings(of: "bob") == .init())
    }

    @Test("each session of a fork into several counts with its state for the quota") func forkQuota() throws {
        let table = table()
        let quota = SessionQuota(bytes: 48)
        let first = try table.create(id: "ada/a", model: "m", from: matrix, row: 0, step: 0, owner: "ada", quota: quota)
        func fork(_ count: Int) throws -> Int {
            let ids = [String?](repeating: nil, count: count)
            return try table.fork(first.id, serial: first.serial, into: ids, quota: quota).count
        }
        #expect(throws: SessionError.quotaFull(quota)) { try fork(3) }
        #expect(try fork(2) == 2)
    }
}
