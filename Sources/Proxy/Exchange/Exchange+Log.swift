import Bytes
import Caching
import HTTP
import IO
import Telemetry

/// The exchange's line in the access log.
extension Exchange {
  /// Writes it, if there is a log. To be called once, when the response has ended one way or the other.
  ///
  /// - Parameter microseconds: From the request's head to now.
  func writeLogLine(_ microseconds: Int) {
    guard worker.logBuffer.isOn else { return }
    write(microseconds, to: &worker.logBuffer)
  }

  private func write(_ microseconds: Int, to log: inout AccessLogBuffer) {
    log.begin(wallSeconds: worker.loop.wallSeconds)
    for i in 0..<log.partCount {
      let part = log.beginPart(i)
      switch part.variable {
      case nil: break
      case .requestField:
        let known = worker.logFields[i]
        log.write(fieldOf: part) { name, line in
          if known == .other {
            write(requestField: name, of: request.head, to: &line)
          } else if request.head.has(known) {
            write(requestField: known, of: request.head, to: &line)
          }
        }
      case .responseField:
        log.write(fieldOf: part) { name, line in write(sentField: name, of: sentHead, to: &line) }
      case let variable?: write(variable, microseconds, to: &log.line)
      }
    }
    log.end(now: worker.loop.now)
  }

  @inline(__always)
  private func write(_ variable: LogVariable, _ microseconds: Int, to line: inout LogLine) {
    switch variable {
    case .localTime: line.appendLocalTime()
    case .isoTime: line.appendISOTime()
    case .status: line.append(number: Int(status))
    case .bodyBytesSent: line.append(number: bytesSent)
    case .bytesSent: line.append(number: bytesSent + headBytesSent)
    case .completion: line.append(word: isSentWhole ? "OK" : "")
    case .requestTime: line.append(seconds: microseconds)
    case .cacheStatus: line.append(word: decision.xCacheStatus)
    case .decision: line.append(word: decision.logName)
    case .keyHash: line.append(hash: keyHash.low)
    case .attempts: line.append(number: upstream.attempts)
    case .waitTime: line.append(seconds: waitTime)
    case .connectTime: line.append(seconds: upstream.connect)
    case .firstByteTime: line.append(seconds: upstream.firstByte)
    case .upstreamStatus: line.append(number: upstream.status == 0 ? nil : Int(upstream.status))
    case .scheme: line.append(word: scheme)
    case .serverProtocol: line.append(word: serverProtocol)
    case .remotePort: line.append(number: client.flatMap { $0.isUnix ? nil : Int($0.port) })
    case .remoteAddress: write(address: client, isWithPort: false, to: &line)
    case .upstreamAddress: write(address: upstream.server?.address, isWithPort: true, to: &line)
    case .requestID: line.append(plain: writeRequestID)
    case .remoteUser, .request, .method, .host, .requestURI, .path, .arguments, .queryString:
      write(variable, of: request.head, to: &line)
    case .requestField, .responseField: break
    }
  }

  private var waitTime: Int? {
    if waited == nil, upstream.attempts == 0, upstream.queued == 0 { return nil }
    return (waited ?? 0) + upstream.queued
  }

  private var serverProtocol: StaticString {
    if request.target.isEmpty { return "" }
    return request.minorVersion == 0 ? "HTTP/1.0" : "HTTP/1.1"
  }

  /// A path may hold anything, numbers and names of ours nothing that needs an escape.
  private func write(address: SocketAddress?, isWithPort: Bool, to line: inout LogLine) {
    if let address, address.isUnix {
      let worker = worker
      worker.note.removeAll()
      address.write(to: &worker.note)
      line.append(value: worker.note.bytes)
    } else {
      line.append { text in isWithPort ? address?.write(to: &text) : address?.writeHost(to: &text) }
    }
  }

  private func write(_ variable: LogVariable, of head: borrowing Head, to line: inout LogLine) {
    let target = head.bytes(request.pathAndQuery)
    let mark = target.firstIndex(of: .question)
    switch variable {
    case .remoteUser: line.append(userOf: head.valueOrNothing(of: .authorization))
    case .method: line.append(value: head.bytes(request.methodRange))
    case .requestURI: line.append(value: target)
    case .path: line.append(value: target.extracting(0..<(mark ?? target.count)))
    case .arguments, .queryString:
      line.append(value: target.extracting((mark.map { $0 + 1 } ?? target.count)..<target.count))
    case .host: writeHostName(head.bytes(request.authority), to: &line)
    default:
      let message = head.message
      // An empty line may come before the request's; it must not hide it.
      let start = message.count > 2 && message[0] == .carriageReturn ? 2 : 0
      let end = message.firstIndex(of: .carriageReturn, from: start) ?? message.count
      line.append(value: message.extracting(start..<end))
    }
  }

  private func writeHostName(_ authority: Span<UInt8>, to line: inout LogLine) {
    var end = authority.count
    while end > 0, authority[end - 1].isDigit { end -= 1 }
    let hasPort = end > 0 && authority[end - 1] == .colon
    let worker = worker
    worker.note.removeAll()
    worker.note.append(lowering: authority.extracting(0..<(hasPort ? end - 1 : authority.count)))
    line.append(value: worker.note.bytes)
  }

  // MARK: Fields: all values of one, joined by `, `

  private func write(requestField known: KnownField, of head: borrowing Head, to line: inout LogLine) {
    for i in head.lines.indices where head.lines[i].known == known {
      add(head.value(head.lines[i]), to: &line)
    }
  }

  private func write(requestField name: Span<UInt8>, of head: borrowing Head, to line: inout LogLine) {
    for i in head.lines.indices {
      let field = head.lines[i]
      if field.name.count == name.count, head.name(field).equalsIgnoringCase(name) {
        add(head.value(field), to: &line)
      }
    }
  }

  private func write(sentField name: Span<UInt8>, of sent: borrowing OutputBuffer, to line: inout LogLine) {
    let head = sent.bytes
    var start = (head.firstIndex(of: .lineFeed) ?? head.count) + 1
    while let end = head.firstIndex(of: .carriageReturn, from: min(start, head.count)), end > start {
      let field = head.extracting(start..<end)
      if let colon = field.firstIndex(of: .colon), colon == name.count,
        field.extracting(0..<colon).equalsIgnoringCase(name)
      {
        add(field.extracting(field.trimmed(ByteRange(colon + 1, field.count))), to: &line)
      }
      start = end + 2
    }
  }

  private func add(_ value: Span<UInt8>, to line: inout LogLine) {
    if line.hasPieces { line.appendSeparator() }
    line.append(piece: value)
  }

  /// Keeps the head as it is about to be sent: when the line is written, its memory serves others.
  func keepSentHead() {
    sentHead.removeAll()
    unsafe sentHead.append(from: outgoing.storedHead, count: outgoing.storedCount)
    let worker = worker
    sentHead.append(worker.tail.bytes)
  }
}
