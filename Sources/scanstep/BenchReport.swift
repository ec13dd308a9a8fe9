import JSON
import Kernels
import Recurrent

/// What a bench found, as a table and as JSON.
struct BenchReport {
    let threads: Int
    /// Rows of a batch of a prefill.
    let rows: Int
    /// Its name and the model; nil for scans alone.
    let model: (name: String, RecurrentModel)?
    /// Bytes the process had resident when the model was loaded, before memory to compute in was taken.
    let residentLoaded: Int
    /// GFLOP/s of the multiply-add loop.
    let peaks: [Double]
    let results: [BenchTimer.Result]

    var table: String {
        var lines: [[String]] = [
            ["work", "scan", "runs", "ms", "min…max", "tokens/s", "GFLOP/s", "of peak", "resident"]
        ]
        for result in results {
            let milliseconds = result.seconds.map { $0 * 1e3 }
            let channels = result.channels.map { " × \($0) channels" } ?? ""
            lines.append([
                "\(result.kind) \(result.size)\(channels)", result.scan.rawValue, "\(result.seconds.count)",
                milliseconds.median.fixed(3), "\(milliseconds.min()!.fixed(3))…\(milliseconds.max()!.fixed(3))",
                result.tokensPerSecond.median.fixed(0), result.gflops?.median.fixed(1) ?? "",
                result.fractions.map { "\(($0.median * 100).fixed(1)) %" } ?? "", "\(result.residentPeak >> 20) MiB",
            ])
        }
        let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max()! }
        var text = heading
        for line in lines {
            var cells: [String] = []
            for (column, cell) in line.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                cells.append(column < 2 ? cell + padding : padding + cell)
            }
            text += "\n" + cells.joined(separator: "  ")
        }
        return text + "\nTimes and rates are medians of the runs."
    }

    private var heading: String {
        var text = ""
        if let (name, model) = model {
            text = """
                \(name): \(model.configuration.cellName), \(model.parameters) parameters, weights \(model.weights.rawValue), \
                scan \(model.scan.rawValue), \(model.multiplyAdds) multiply-adds a token

                """
        }
        return text + """
            \(threads) thread\(threads == 1 ? "" : "s"), batches of \(rows) rows; multiply-add peak \
            \(peaks.median.fixed(1)) GFLOP/s (median of \(peaks.count); best \(peaks.max()!.fixed(1)))

            """
    }

    var json: String {
        var writer = JSONWriter()
        writer.beginObject()
        if let (name, model) = model {
            let configuration = model.configuration
            writer.key("model")
            writer.beginObject()
            writer.field("name", name)
            writer.field("cell", configuration.cellName)
            writer.field("layers", configuration.layers)
            writer.field("width", configuration.width)
            writer.field("inner_width", configuration.innerWidth)
            writer.field("mlp_width", configuration.mlp?.width ?? 0)
            writer.field("output_size", configuration.outputSize)
            writer.field("convolution_kernel", configuration.convolution?.kernel ?? 0)
            writer.field("parameters", model.parameters)
            writer.field("multiply_adds_per_token", model.multiplyAdds)
            writer.field("state_bytes", model.state.bytes)
            writer.field("weights", model.weights.rawValue)
            writer.field("scan", model.scan.rawValue)
            // A run that found the contrary has failed.
            if model.scan != .associative { writer.field("steps_equal_prefill", true) }
            writer.endObject()
        }
        writer.field("threads", threads)
        writer.field("rows", rows)
        writer.field("resident_loaded_bytes", residentLoaded)
        writer.key("multiply_add_peak_gflops")
        writer.distribution(peaks)
        writer.key("works")
        writer.beginArray()
        for result in results { write(result, &writer) }
        writer.endArray()
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private func write(_ result: BenchTimer.Result, _ writer: inout JSONWriter) {
        writer.beginObject()
        writer.field("kind", result.kind)
        writer.field("sequences", result.size.sequences)
        writer.field("steps", result.size.steps)
        writer.field("scan", result.scan.rawValue)
        if let channels = result.channels { writer.field("channels", channels) }
        writer.field("runs", result.seconds.count)
        writer.field("repeats_per_run", result.repeats)
        writer.key("seconds")
        writer.distribution(result.seconds)
        writer.field("tokens_per_second", result.tokensPerSecond.median)
        if let gflops = result.gflops { writer.field("gflops", gflops.median) }
        if let fractions = result.fractions {
            writer.key("fraction_of_peak")
            writer.distribution(fractions)
        }
        writer.field("resident_peak_bytes", result.residentPeak)
        writer.endObject()
    }
}

extension JSONWriter {
    fileprivate mutating func distribution(_ values: [Double]) {
        beginObject()
        field("median", values.median)
        field("min", values.min()!)
        field("max", values.max()!)
        key("all")
        beginArray()
        for value in values { double(value) }
        endArray()
        endObject()
    }
}

extension [Double] {
    /// The middle one in order of size, or the mean of the middle two. There must be one.
    fileprivate var median: Double {
        let ordered = sorted()
        return (ordered[(count - 1) / 2] + ordered[count / 2]) / 2
    }
}

extension Double {
    /// With `places` decimals; for positive numbers that a table shows.
    fileprivate func fixed(_ places: Int) -> String {
        var scale = 1
        for _ in 0..<places { scale *= 10 }
        let number = Int((self * Double(scale)).rounded())
        guard places > 0 else { return "\(number)" }
        let digits = "\(number % scale)"
        return "\(number / scale)." + String(repeating: "0", count: places - digits.count) + digits
    }
}
