import API
import EventLoop
import HTTP
import Logging

/// The server's face to the network. It is there before the models are, to say so.
struct Front {
    let gate: Gate
    let server: HTTPServer
    let doors: Doors
    let accessLog: AccessLog?
    private let log: Logger
    private let keys: KeyRing?
    private let keyFile: String?
    private let tls: TLSConfiguration?

    init(_ settings: Settings, _ log: Logger) throws {
        self.log = log
        keyFile = settings.network.apiKeys
        do throws(KeyFile.Failure) {
            keys = if let keyFile { KeyRing(try KeyFile.read(keyFile)) } else { nil }
        } catch {
            throw Failure("cannot use --api-keys \(keyFile!): \(error)")
        }
        do throws(TLSError) {
            tls = if let files = settings.network.tls { try TLSConfiguration(files) } else { nil }
        } catch {
            throw Failure("cannot use TLS: \(error)")
        }
        let metrics = ServerMetrics(build: Build.labels)
        gate = Gate(keys: keys, metrics: metrics)
        accessLog = try Self.accessLog(settings.logs)
        doors = try Doors(settings.network, gate, tls, log)
        let observer = HTTPObserver(
            failed: { [log] error, context in
                log.error("request failed", metadata: ["error": "\(error)", "request_id": "\(context.requestID)"])
            },
            replied: { [metrics, accessLog] exchange in
                metrics.note(exchange)
                accessLog?.note(exchange)
            })
        server = try HTTPServer(
            doors: doors.doors, loops: settings.network.loops, limits: settings.limits.http,
            crossOrigin: settings.network.crossOrigin, observer: observer, errorResponder: Service.errorResponder)
        metrics.watch(server)
    }

    private static func accessLog(_ settings: LogSettings) throws(Failure) -> AccessLog? {
        let path: String?
        switch settings.access {
        case .none: return nil
        case .standardError: path = nil
        case .file(let name): path = name
        }
        do throws(LogFile.Failure) {
            return AccessLog(try LogFile(path), clock: secondsSince1970)
        } catch {
            throw Failure("cannot write --access-log \(path ?? "stderr"): \(error)")
        }
    }

    /// Begins to listen at all doors, or at none.
    /// - Returns: the doors' ports.
    func listen() throws(Failure) -> [Int] {
        // Of an inherited socket it shows only then whether it listens.
        if !doors.areInherited { warn() }
        do throws(HTTPServer.ListenError) {
            let ports = try server.listen()
            if doors.areInherited { warn() }
            return ports
        } catch {
            throw Failure("\(error)")
        }
    }

    private func warn() {
        if let warning = doors.warning { log.warning("\(warning)") }
    }

    /// Ends what `listen` began, for a start that fails.
    func abandon() {
        server.drain(within: .zero)
        accessLog?.flush()
    }

    /// Reads keys and certificates again. Where they cannot be used those at hand stay.
    func reload() {
        accessLog?.reopen()
        if let keyFile {
            do throws(KeyFile.Failure) {
                keys!.replace(by: try KeyFile.read(keyFile))
                log.notice("API keys read again", metadata: ["keys": "\(keys!.count)"])
            } catch {
                log.error("API keys stay as they are: \(keyFile): \(error)")
            }
        }
        if let tls {
            do throws(TLSError) {
                try tls.reload()
                log.notice("certificate read again")
            } catch {
                log.error("the certificate stays as it is: \(error)")
            }
        }
    }
}
