import JSON
import Testing

/// A generation's outcome, whichever way it was sent.
struct Generation: Equatable {
    var text = ""
    var tokens: [Int] = []
    /// Steps of the events, in a stream.
    var steps: [Int] = []
    var finish = ""
    var step = 0

    /// A reply in one piece.
    init(_ reply: HTTPReply) throws {
        try #require(reply.status == 200, "\(reply.text)")
        #expect(reply.headers["content-type"] == "application/json")
        text = try reply.string("text")
        tokens = try reply.ints("tokens")
        finish = try reply.string("finish_reason")
        step = try reply.int("step")
        #expect(try reply.json["usage"]?["output_steps"]?.int == tokens.count)
    }

    /// A streamed reply, lines or server-sent events as its type says; it must end properly.
    init(streamed reply: HTTPReply) throws {
        try #require(reply.status == 200, "\(reply.text)")
        let objects: [String]
        if reply.headers["content-type"] == "text/event-stream" {
            objects = try Self.data(ofEvents: reply.text)
        } else {
            #expect(reply.headers["content-type"] == "application/x-ndjson")
            try #require(reply.text.hasSuffix("\n"))
            objects = reply.text.dropLast().split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        }
        let last = try Self.parse(try #require(objects.last))
        #expect(last["done"]?.bool == true, "\(objects.last!)")
        finish = try #require(last["finish_reason"]?.string)
        step = try #require(last["step"]?.int)
        for object in objects.dropLast() {
            let event = try Self.parse(object)
            tokens.append(try #require(event["token"]?.int, "\(object)"))
            text += try #require(event["text"]?.string, "\(object)")
            steps.append(try #require(event["step"]?.int, "\(object)"))
        }
        #expect(last["usage"]?["output_steps"]?.int == tokens.count)
    }

    /// Without the steps, which only a stream tells.
    var withoutSteps: Generation {
        var copy = self
        copy.steps = []
        return copy
    }

    /// The data of each event, whose id is its step; the last one is named `done`, the others have no name.
    private static func data(ofEvents text: String) throws -> [String] {
        try #require(text.hasSuffix("\n\n"))
        let events = text.dropLast(2).split(separator: "\n\n", omittingEmptySubsequences: false)
        return try events.enumerated().map { index, event in
            var lines = event.split(separator: "\n")
            if index == events.count - 1 { #expect(lines.removeFirst() == "event: done") }
            try #require(lines.count == 2 && lines[0].hasPrefix("id: ") && lines[1].hasPrefix("data: "), "\(event)")
            let data = String(lines[1].dropFirst(6))
            #expect(try parse(data)["step"]?.int.map(String.init) == String(lines[0].dropFirst(4)))
            return data
        }
    }

    private static func parse(_ text: String) throws -> JSONValue { try JSONDocument(parsing: Array(text.utf8)).root }
}
