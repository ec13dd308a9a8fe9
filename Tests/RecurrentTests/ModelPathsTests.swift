import Foundation
import TestSupport
import Testing

@testable import Recurrent

@Suite("Which folders are models")
struct ModelPathsTests {
    @Test("a link that leads nowhere is refused, not passed over") func danglingLink() throws {
        let folder = TemporaryFolder()
        folder.write("plain/readme.txt", "no model")
        folder.write("linked/readme.txt", "a model elsewhere")
        let link = folder.path + "/linked/model.safetensors"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: folder.path + "/nowhere")
        #expect(ModelFolder.paths(in: folder.path) == [folder.path + "/linked"])
        #expect(throws: CheckpointError.unreadable(file: link, reason: "No such file or directory")) {
            try ModelFolder(path: folder.path + "/linked")
        }
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

    @Test("a directory that cannot be read is nil") func unreadable() {
        #expect(ModelFolder.paths(in: "/nonexistent/models") == nil)
    }
}
