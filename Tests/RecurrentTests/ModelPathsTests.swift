import Foundation
import TestSupport
import Testing

@testable import Recurrent

@Suite("Which folders are models")
struct ModelPathsTests {
    @Test("a link that leads nowhere is refused, not passed over, and its end is named") func danglingLink() throws {
        let folder = TemporaryFolder()
        folder.write("plain/readme.txt", "no model")
        folder.write("linked/readme.txt", "a model elsewhere")
        let link = folder.path + "/linked/model.safetensors"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "../nowhere")
        let directory = try ModelDirectory(folder.path)
        #expect(directory.paths == [folder.path + "/linked"] && directory.skipped.isEmpty)
        let reason = "it is a link to ../nowhere, where nothing is"
        #expect(throws: CheckpointError.unreadable(file: link, reason: reason)) {
            try ModelFolder(path: folder.path + "/linked")
        }
    }

    @Test("a folder that leads nowhere, or whose models are one folder deeper, is skipped with what to do")
    func nested() throws {
        let folder = TemporaryFolder()
        folder.write("good/model.safetensors", "")
        folder.write("hub/readme.txt", "")
        folder.write("hub/small/model.safetensors", "")
        folder.write("notes/today/readme.txt", "")
        folder.write("readme.txt", "")
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/linked", withDestinationPath: "../nowhere")
        let directory = try ModelDirectory(folder.path)
        #expect(directory.paths == [folder.path + "/good"])
        let deeper = "a model is one folder deeper, in small; move it up, or serve \(folder.path)/hub by --models"
        #expect(directory.skipped.map(\.name) == ["hub", "linked"])
        #expect(directory.skipped.first?.reason == deeper)
        #expect(directory.skipped.last?.reason.hasPrefix("it cannot be read: ") == true)
    }

    @Test("a named pipe is refused instead of waited for") func namedPipe() throws {
        let folder = TemporaryFolder()
        folder.write("piped/readme.txt", "")
        let pipe = folder.path + "/piped/model.safetensors"
        let made = unsafe mkfifo(pipe, 0o600)
        #expect(made == 0)
        #expect(throws: CheckpointError.unreadable(file: pipe, reason: "not a regular file")) {
            try ModelFolder(path: folder.path + "/piped")
        }
    }

    @Test("a folder that cannot be listed says why") func unreadable() {
        #expect(failure { _ = try ModelDirectory("/nonexistent/models") }?.reason == "No such file or directory")
        let reason = failure { _ = try ModelDirectory("/etc/passwd") }?.reason
        #expect(reason == "it is no folder; wanted is the folder that the folders of models are in")
    }

    @Test("a model whose folder's name is not UTF-8 is skipped with its name escaped; other folders are not named")
    func otherNames() throws {
        let folder = TemporaryFolder()
        folder.write("good/model.safetensors", "")
        for (name, file) in [([0x67, 0x72, 0xFC, 0x6E, 0x5C, 0x0A], "model.safetensors"), ([0xE9], "notes.txt")] {
            let path = Array(folder.path.utf8) + [UInt8(ascii: "/")] + name.map { UInt8($0) }
            let bytes = path.map { CChar(bitPattern: $0) }
            #expect(unsafe mkdir(bytes + [0], 0o755) == 0)
            let descriptor = unsafe open(bytes + "/\(file)".utf8.map { CChar(bitPattern: $0) } + [0], O_CREAT, 0o644)
            #expect(descriptor >= 0)
            close(descriptor)
        }
        let directory = try ModelDirectory(folder.path)
        #expect(directory.paths == [folder.path + "/good"])
        let reason = "its name is not UTF-8, so no client can ask for it; rename the folder"
        #expect(directory.skipped == [.init(name: "gr\\xFCn\\x5C\\x0A", reason: reason)])
    }

    @Test(
        "weights in another form are skipped with what makes a model of them",
        arguments: [
            (
                ["pytorch_model.bin", "training_args.bin"],
                "it has pytorch_model.bin, an archive of PyTorch, and no model.safetensors; `python "
                    + "Models/training/convert.py "
            ),
            (["best.pt", "optimizer.pt"], "it has best.pt, an archive of PyTorch"),
            (
                ["a.ckpt", "b.ckpt"],
                "it has a.ckpt, an archive of PyTorch, and no model.safetensors; convert.py makes a"
            ),
            (
                [
                    "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                    "model.safetensors.index.json",
                ],
                "its weights are in shards (model-00001-of-00002.safetensors, …); `python Models/training/convert.py "
            ),
            (["pytorch_model-00001-of-00001.bin"], "its weights are in shards ("),
            (
                ["mine.safetensors"],
                "must be called model.safetensors, and are called mine.safetensors; rename the file"
            ),
            (["a.safetensors", "b.safetensors"], "it has a.safetensors, b.safetensors and no model.safetensors"),
            (["training_args.bin", "notes.txt"], nil),
        ])
    func unserved(files: [String], reason: String?) throws {
        let folder = TemporaryFolder()
        for file in files { folder.write("mine/\(file)", "x") }
        let skipped = try ModelDirectory(folder.path).skipped
        #expect(skipped.map(\.name) == (reason == nil ? [] : ["mine"]))
        if let reason { #expect(skipped.first?.reason.contains(reason) == true, "\(skipped)") }
        // Whoever names the folder itself hears the same.
        let own = try ModelDirectory(folder.path + "/mine").ownWeights
        let error = failure { _ = try ModelFolder(path: folder.path + "/mine") }
        #expect(
            error?.reason == reason.map { _ in own } ?? "there is no such file, and a model is a folder that has one")
        #expect((own == nil) == (reason == nil))
    }

    @Test("the line for convert.py can be pasted into a shell") func quoting() throws {
        let folder = TemporaryFolder()
        folder.write("it's mine/best.pt", "x")
        let reason = try #require(try ModelDirectory(folder.path).skipped.first?.reason)
        let quoted = "'\(folder.path)/it'\\''s mine"
        #expect(reason.contains("convert.py \(quoted)' \(quoted)-converted'`"), "\(reason)")
    }

    @Test(
        "a folder that is a model itself names the one that it is in",
        arguments: [("", "/.."), ("/mine", ""), ("/mine/", ""), ("/mine/..", "/mine/../..")])
    func ownModel(path: String, parent: String) throws {
        let folder = TemporaryFolder()
        folder.write("model.safetensors", "")
        folder.write("mine/model.safetensors", "")
        let own = try ModelDirectory(folder.path + path).ownWeights
        let expected = path.isEmpty ? String(folder.path[..<folder.path.lastIndex(of: "/")!]) : folder.path + parent
        #expect(own == "it is a model itself; --models takes the folder that it is in, \(expected)")
    }

    @Test("files that are something else under the name of a safetensors file are called by their name")
    func disguises() {
        let cases = [
            ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "`git lfs pull` fetches"),
            ("PK\u{3}\u{4} and so on", "an archive of torch.save"), ("<!DOCTYPE html>", "a page of HTML"),
        ]
        for (text, words) in cases {
            #expect(malformation(Data(text.utf8))?.contains(words) == true, "\(words)")
        }
    }

    @Test("without permission the error says whose the file is, who asks and what gives leave") func permission() throws
    {
        let folder = TemporaryFolder()
        let file = folder.write("mine/model.safetensors", "x")
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        let found = asNobody { failure { _ = try ModelFolder(path: folder.path + "/mine") } }
        guard let error = found else { return }  // Only root can be somebody else.
        let reason = try #require(error?.reason)
        #expect(reason.hasPrefix("Permission denied: it has mode 0600 and belongs to root, and this program runs as "))
        #expect(reason.contains("`chmod ") && reason.hasSuffix("+r \(file)` gives leave to read it"), "\(reason)")
    }

    @Test("a folder that may not be read is skipped with the reason") func closedFolder() throws {
        let folder = TemporaryFolder()
        folder.write("closed/model.safetensors", "x")
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder.path + "/closed")
        guard let skipped = try asNobody({ try ModelDirectory(folder.path).skipped }) else { return }
        #expect(skipped.map(\.name) == ["closed"])
        #expect(skipped[0].reason.hasPrefix("it cannot be read: Permission denied: it has mode 0700"), "\(skipped)")
        #expect(skipped[0].reason.contains("+rx \(folder.path)/closed`"))
    }

    /// Runs `body` with the file permissions of another user than root, which this thread alone takes; nil where this is
    /// not root.
    private func asNobody<R>(_ body: () throws -> R) rethrows -> R? {
        typealias SetUser = @convention(c) (UInt32) -> Int32
        guard geteuid() == 0, let symbol = unsafe dlsym(nil, "setfsuid") else { return nil }
        let setUser = unsafe unsafeBitCast(symbol, to: SetUser.self)
        _ = setUser(65_534)
        defer { _ = setUser(0) }
        return try body()
    }
}
