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

    @Test("what is no model is named in the log with what to do, and so is a config.json of somebody else's")
    func skipped() throws {
        let folder = TemporaryFolder()
        try LiveModels.golden("mingru-x1_0-plain", folder)
        folder.write("mingru-x1_0-plain/config.json", #"{"architectures": ["MinGRULM"], "model_type": "mingru"}"#)
        folder.write("archive/pytorch_model.bin", "x")
        folder.write("model.safetensors", "beside the folders")
        let name = Array((folder.path + "/caf").utf8) + [0xE9]
        let path = name.map { CChar(bitPattern: $0) }
        #expect(unsafe mkdir(path + [0], 0o755) == 0)
        close(unsafe open(path + "/model.safetensors".utf8.map { CChar(bitPattern: $0) } + [0], O_CREAT, 0o644))
        let server = try ServerProcess(serving: folder, ["--model-control", "explicit"])
        let client = server.client()
        #expect(try client.get("/v2/models/mingru-x1_0-plain/ready").status == 200)
        let index = try client.post("/v2/repository/index", "{}").json.elements
        #expect(index.compactMap { $0["name"]?.string } == ["archive", "caf\\xE9", "mingru-x1_0-plain"])
        let reply = try client.post("/v2/repository/models/archive/load", "")
        try #require(reply.status == 400)
        #expect(reply.text.contains("python Models/training/convert.py \(folder.path)/archive"))
        #expect(server.terminate() == 0)
        for words in [
            "no model in archive: it has pytorch_model.bin, an archive of PyTorch, and no model.safetensors; `python ",
            "no model in caf\\xE9: its name is not UTF-8, so no client can ask for it; rename the folder",
            "mingru-x1_0-plain: config.json is not Scanstep's (its fields: architectures, model_type) and was not used: "
                + "the tensors are the layout minGRU-pytorch",
            "weights beside the folders of models are not served: it is a model itself",
        ] { #expect(server.errorText.contains(words), "\(server.errorText)") }
    }

    @Test("where nothing can be served the last line says what the folder is and what is wanted") func nothing() throws
    {
        let folder = TemporaryFolder()
        func refusal(_ path: String) throws -> String {
            let run = try FinishedProgram(serving: path)
            #expect(run.status == 1 && run.output.isEmpty)
            return String(run.errors.split(separator: "\n").last ?? "")
        }
        folder.write("models/letters/notes.txt", "")
        let models = folder.path + "/models"
        let start = "Error: no model in "
        let none = "can be served: a model is a folder in it that holds a model.safetensors, and there is none"
        #expect(try refusal(models) == start + models + " " + none)
        folder.write("models/letters/model.safetensors", "x")
        #expect(try refusal(models) == start + models + " can be served: the log says why")
        let own = "can be served: it is a model itself; --models takes the folder that it is in, \(models)"
        #expect(try refusal(models + "/letters/") == start + models + "/letters/ " + own)
        folder.write("shards/model-00001-of-00002.safetensors", "x")
        let shards = "its weights are in shards (model-00001-of-00002.safetensors, …)"
        #expect(try refusal(folder.path + "/shards").contains(shards))
        let file = models + "/letters/model.safetensors"
        #expect(
            try refusal(file).contains("cannot read the folder \(file): it is no folder; wanted is the folder that"))
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
