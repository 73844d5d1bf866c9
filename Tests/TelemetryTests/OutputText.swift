import Bytes

/// What a buffer holds, as text. Bytes that are not UTF-8 show as U+FFFD.
func string(_ out: borrowing OutputBuffer) -> String {
  var bytes: [UInt8] = []
  for i in out.bytes.indices { bytes.append(out.bytes[i]) }
  return String(decoding: bytes, as: UTF8.self)
}
