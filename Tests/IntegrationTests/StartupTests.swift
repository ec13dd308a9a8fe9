import Foundation
import JSON
import TestSupport
import Testing

@Suite("Starting with models that cannot be served")
struct StartupTests {
    @Test("each broken model is refused with its reason, and the good one is served") func refusals() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        for model in BrokenModel.all { model.write(folder, model.name) }
        folder.write("no-model/notes.txt", "nothing to serve")
        folder.write("model.safetensors", "beside the folders")
        let server = try ServerProcess(serving: folder)
        let list = try #require(try server.client().get("/v1/models").json["data"])
        #expect(list.elements.compactMap { $0["id"]?.string } == ["letters"])
        #expect(try server.client().get("/readyz").status == 200)
        #expect(server.terminate() == 0)
        let lines = server.errorText.split(separator: "\n").filter { $0.contains("model refused") }
        #expect(lines.count == BrokenModel.all.count)
        for model in BrokenModel.all {
            let line = lines.first {
                $0.contains("/\(model.name)/") || $0.contains("/\(model.name) ") || $0.hasSuffix("/\(model.name)")
            }
            #expect(line?.contains(model.reason) == true, "\(model.name): \(line ?? "no line")")
        }
    }

    @Test("with no model left the start fails with status 1 and one clear line") func noneLeft() throws {
        let folder = TemporaryFolder()
        for model in BrokenModel.all.prefix(3) { model.write(folder, model.name) }
        let run = try FinishedProgram(serving: folder.path)
        #expect(run.status == 1)
        #expect(run.output.isEmpty)
        let last = run.errors.split(separator: "\n").last
        #expect(last?.contains("no model in \(folder.path) can be served") == true, "\(run.errors)")
        #expect(run.errors.contains("truncated"))
    }

    @Test("an empty folder and a missing one fail with status 1") func noFolder() throws {
        let folder = TemporaryFolder()
        let empty = try FinishedProgram(serving: folder.path)
        #expect(empty.status == 1)
        #expect(empty.errors.contains("no model in \(folder.path) can be served"))
        let missing = try FinishedProgram(serving: folder.path + "/nowhere")
        #expect(missing.status == 1)
        #expect(missing.errors.contains("cannot read the folder \(folder.path)/nowhere"))
    }

    @Test("a port in use fails with status 1 and names the address") func portInUse() throws {
        let folder = TemporaryFolder()
        LiveModels.letters(folder)
        let server = try ServerProcess(serving: folder)
        let run = try FinishedProgram(["serve", "--models", folder.path, "--port", "\(server.port)"])
        #expect(run.status == 1)
        #expect(run.errors.contains("cannot listen on 127.0.0.1:\(server.port)"))
        #expect(run.output.isEmpty)
        #expect(try server.client().get("/livez").status == 200)
        #expect(server.terminate() == 0)
    }

    @Test("the log tells how long the start took, and the output where the server listens") func ready() throws {
        let folder = TemporaryFolder()
        LiveModels.both(folder)
        let server = try ServerProcess(serving: folder)
        #expect(server.terminate() == 0)
        #expect(server.errorText.contains(/ready in \d+\.\d ms/))
        #expect(server.outputText == "scanstep: listening on http://127.0.0.1:\(server.port)\n")
    }

    @Test("the executable links no full Foundation") func linkage() throws {
        let libraries = try FinishedProgram(
            [ServerProcess.scanstep.path], executable: URL(fileURLWithPath: "/usr/bin/ldd"))
        #expect(libraries.status == 0)
        #expect(libraries.output.contains("libc.so"))
        for name in [
            "libFoundation.so", "lib_FoundationICU", "libFoundationInternationalization", "libFoundationNetworking",
        ] {
            #expect(!libraries.output.contains(name))
        }
    }
}
