import TestSupport

/// RFC 6455, as far as an echo needs it: the handshake, and one unfragmented frame at a time.
enum WebSocket {
  /// The example of RFC 6455 §1.3: this key must be answered with this value.
  static let key = "dGhlIHNhbXBsZSBub25jZQ=="
  static let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

  static let request =
    "GET /chat HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    + "Sec-WebSocket-Key: \(key)\r\nSec-WebSocket-Version: 13\r\n\r\n"

  static let answer =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    + "Sec-WebSocket-Accept: \(accept)\r\n\r\n"

  /// A frame of any length; a client's is masked (§5.3).
  static func frame(_ opcode: UInt8, _ payload: [UInt8], mask: [UInt8]? = nil) -> [UInt8] {
    var frame: [UInt8] = [0x80 | opcode]
    let marked: UInt8 = mask == nil ? 0 : 0x80
    if payload.count < 126 {
      frame.append(marked | UInt8(payload.count))
    } else if payload.count < 65536 {
      frame += [marked | 126, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
    } else {
      frame.append(marked | 127)
      for shift in stride(from: 56, through: 0, by: -8) {
        frame.append(UInt8(truncatingIfNeeded: payload.count >> shift))
      }
    }
    guard let mask else { return frame + payload }
    return frame + mask + payload.enumerated().map { $1 ^ mask[$0 & 3] }
  }

  /// Reads one frame, unmasked. `nil`: the peer has ended.
  static func read(_ next: (Int) throws -> [UInt8]?) throws -> (opcode: UInt8, payload: [UInt8])? {
    guard let start = try next(2) else { return nil }
    var count = Int(start[1] & 0x7f)
    if count > 125 {
      count = try (next(count == 126 ? 2 : 8) ?? []).reduce(0) { $0 << 8 | Int($1) }
    }
    let mask = start[1] & 0x80 == 0 ? [0, 0, 0, 0] : try next(4) ?? []
    let payload = try next(count) ?? []
    return (start[0] & 0x0f, payload.enumerated().map { $1 ^ mask[$0 & 3] })
  }

  /// An origin's side: answers the handshake, then every frame with its like, until the close frame.
  static func echo(_ exchange: OriginExchange) throws {
    try exchange.send(answer)
    while let (opcode, payload) = try read({ try exchange.read($0) }) {
      try exchange.send(frame(opcode, payload))
      if opcode == 8 { break }
    }
    exchange.close()
  }
}
