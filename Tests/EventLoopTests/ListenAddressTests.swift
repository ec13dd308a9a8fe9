import Testing

@testable import EventLoop

@Suite("Addresses to listen on")
struct ListenAddressTests {
    @Test(
        "loopback addresses are this machine's alone, however they are spelled",
        arguments: [
            "localhost", "127.0.0.1", "127.8.9.10", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::FFFF:7f00:1",
            "0:0:0:0:0:ffff:127.1.2.3",
        ])
    func loopback(host: String) { #expect(ListenAddress.tcp(host: host, port: 1).isLocal) }

    @Test(
        "others are not",
        arguments: ["0.0.0.0", "::", "::2", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "::127.0.0.1", "lab"])
    func others(host: String) { #expect(!ListenAddress.tcp(host: host, port: 1).isLocal) }
}
