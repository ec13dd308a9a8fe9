import JSON
import TestSupport
import Testing

@Suite("scanstep bench")
struct BenchTests {
    private static let tiny = ["bench", "--threads", "2", "--runs", "1", "--json"]

    @Test(
        "measures a made-up shape and says that steps equal a prefill", arguments: RandomModel.cells,
        ["f32", "f16", "int8"])
    func shape(cell: String, weights: String) throws {
        let run = try FinishedProgram(
            Self.tiny + [
                "--shape", "cell=\(cell),layers=2,width=24,inner=40,mlp=32,vocabulary=11,kernel=3", "--weights",
                weights,
                "--prefill", "1x70,3x33", "--step", "1,7",
            ])
        #expect(run.status == 0, "\(run.errors)")
        let report = try JSONDocument(parsing: Array(run.output.utf8)).root
        #expect(report["model"]?["steps_equal_prefill"]?.bool == true && report["model"]?["weights"]?.string == weights)
        let works = try #require(report["works"]).elements
        #expect(works.map { $0["sequences"]?.int } == [1, 3, 1, 7])
        for work in works { #expect((work["tokens_per_second"]?.double ?? 0) > 0) }
    }

    @Test(
        "the default shape of a cell whose gates see the state is layers of the cell alone",
        arguments: ["GRU", "ParaLSTM"])
    func stack(cell: String) throws {
        let run = try FinishedProgram(
            Self.tiny + [
                "--shape", "cell=\(cell),width=24", "--prefill", "1x70", "--step", "7", "--scan", "associative",
            ])
        #expect(run.status == 0, "\(run.errors)")
        let model = try #require(JSONDocument(parsing: Array(run.output.utf8)).root["model"])
        #expect(model["steps_equal_prefill"]?.bool == true && model["layers"]?.int == 3)
        #expect(model["scan"]?.string == "sequential" && model["mlp_width"]?.int == 0)
    }

    @Test(
        "refuses options that make no sense and names them",
        arguments: [
            ("--seconds", "0"), ("--seconds", "nan"), ("--runs", "0"), ("--threads", "0"), ("--weights", "f64"),
            ("--scan", "fast"), ("--rows", "1"), ("--step", "0"), ("--prefill", "1x0"), ("--shape", "layers=0"),
        ])
    func badOptions(option: String, value: String) throws {
        let shape = option == "--shape" ? [] : ["--shape", "width=8,inner=8"]
        let run = try FinishedProgram(Self.tiny + shape + ["\(option)=\(value)"])
        #expect(run.status == 64 && run.output.isEmpty)
        #expect(run.errors.contains(option), "\(run.errors)")
    }
    @Test(
        "refuses a shape in words that name what it may be",
        arguments: [
            ("cell=Foo", ["minGRU", "minLSTM", "GRU", "LSTM", "RNN", "ParaGRU", "ParaLSTM", "Foo"]),
            ("depth=3", ["depth", "layers", "vocabulary"]), ("width", ["width", "FIELD=VALUE"]),
            ("layers=0", ["layers", "from 1 to 1048576"]), ("kernel=-1", ["kernel", "from 0 to 1048576"]),
        ])
    func badShapes(shape: String, words: [String]) throws {
        let run = try FinishedProgram(Self.tiny + ["--shape", shape])
        #expect(run.status == 64 && run.output.isEmpty)
        for word in words + ["--shape"] { #expect(run.errors.contains(word), "\(run.errors)") }
    }

    @Test("its help names the cells that a shape may have") func help() throws {
        let run = try FinishedProgram(["bench", "--help"])
        let words = run.output.split { $0.isWhitespace }.joined(separator: " ")
        #expect(words.contains("minGRU, minLSTM, minLSTM-unnormalised, GRU, LSTM, RNN, ParaGRU, ParaLSTM"), "\(words)")
    }
}
