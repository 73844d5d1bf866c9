import Bytes
import Caching
import Testing

@testable import Storage

@Suite("Damaged entry files, R2")
struct EntryFileDamageTests {
  /// A file whose second slot is in force.
  private func refreshed(_ sample: SampleEntry) throws -> (file: [UInt8], newer: SampleEntry) {
    var newer = sample
    newer.head = sample.head.replacing("v1", with: "v2")
    newer.facts.born += 5
    newer.facts.freshness.responseTime += 40
    newer.facts.freshness.requestTime += 39
    var file = sample.file()
    let place = try ReadBack(file).freeSlot
    overwrite(&file, place.offset, with: slot(newer, place))
    return (file, newer)
  }

  private func slot(_ sample: SampleEntry, _ place: SlotPlace) -> [UInt8] {
    let head = Array(sample.head.utf8)
    var output = OutputBuffer(capacity: 1024)
    let isWritten = EntryFile.writeSlot(
      sample.facts, head: head.span, in: place, clock: SampleEntry.clock, to: &output)
    #expect(isWritten)
    return output.bytes.array
  }

  private func overwrite(_ file: inout [UInt8], _ offset: Int, with bytes: some Collection<UInt8>) {
    file.replaceSubrange(offset..<offset + bytes.count, with: bytes)
  }

  @Test func `every bit turned: never another content, and unused room alone does not matter`() throws {
    let sample = SampleEntry()
    let file = sample.file()
    let place = try ReadBack(file).freeSlot
    var harmless: [Int] = []
    for i in file.indices {
      for bit in 0..<8 {
        var altered = file
        altered[i] ^= 1 << UInt8(bit)
        guard let read = try? ReadBack(altered) else { continue }
        if read.entry != sample { Issue.record("byte \(i), bit \(bit) was served") }
        if bit == 0 { harmless.append(i) }
      }
    }
    let used = EntryFile.slotFixedBytes + sample.head.utf8.count
    let room = place.offset - (place.capacity - used)..<place.offset + place.capacity
    #expect(harmless == Array(room))
  }

  @Test func `every byte turned after a refresh: the new head or the old one, and the same body`() throws {
    let sample = SampleEntry()
    let (file, newer) = try refreshed(sample)
    #expect(try ReadBack(file).entry == newer)
    let place = try ReadBack(sample.file()).freeSlot
    for i in file.indices {
      var altered = file
      altered[i] ^= 0xff
      guard let read = try? ReadBack(altered) else { continue }
      let isInNewSlot = (place.offset..<place.offset + place.capacity).contains(i)
      #expect(read.entry == newer || isInNewSlot && read.entry == sample, "byte \(i)")
    }
  }

  @Test func `every byte zeroed, and every page: refused, or the same content`() throws {
    var sample = SampleEntry()
    sample.body = (0..<20_000).map { UInt8(truncatingIfNeeded: 1 + $0 % 255) }
    let file = sample.file()
    for start in stride(from: 0, to: file.count, by: 512) {
      var altered = file
      let end = min(start + 512, file.count)
      overwrite(&altered, start, with: [UInt8](repeating: 0, count: end - start))
      if let read = try? ReadBack(altered) { #expect(read.entry == sample, "from \(start)") }
    }
  }

  @Test func `every length but the file's own is refused`() throws {
    let file = SampleEntry().file()
    for count in 0..<file.count {
      #expect(throws: StoredFileFailure.self, "\(count) bytes") { try ReadBack(Array(file[..<count])) }
    }
    for more in [1, 2, 4096] {
      let longer = file + [UInt8](repeating: 0, count: more)
      #expect(throws: StoredFileFailure.unusable(.damaged(.size))) { try ReadBack(longer) }
    }
  }

  @Test func `a file that loses its end while it is read is refused`() throws {
    let file = SampleEntry().file()
    for count in [0, 50, 91, 92, 300, file.count - 1] {
      var reader = StoredFileReader(
        store: SampleEntry.store, clock: SampleEntry.clock, system: MemoryFile(Array(file[..<count])))
      #expect(throws: StoredFileFailure.unusable(.damaged(.size))) {
        let contents = try reader.contents(of: 0, fileBytes: file.count, now: 0)
        guard case .entry(let entry) = contents else { return }
        _ = try reader.table(of: entry, in: 0)
      }
    }
  }

  @Test func `a slot torn at any byte leaves the head before it in force, from either end`() throws {
    let sample = SampleEntry()
    let (file, newer) = try refreshed(sample)
    var third = newer
    third.head = sample.head.replacing("v1", with: "v3, a longer one") + "Age-Of-Reason: yes\r\n"
    third.facts.born += 9
    third.facts.isSoftlyPurged = true
    third.facts.etag = nil
    third.facts.lastModified = nil
    let place = try ReadBack(file).freeSlot
    let bytes = slot(third, place)
    for count in 0...bytes.count {
      var torn = file
      overwrite(&torn, place.offset, with: bytes[..<count])
      #expect(try ReadBack(torn).entry == (count == bytes.count ? third : newer), "first \(count) bytes")
      var late = file
      overwrite(&late, place.offset + bytes.count - count, with: bytes.suffix(count))
      let expected = try ReadBack(late).entry
      // The first bytes of a checksum may be the same in both.
      #expect(expected == newer || expected == third && count > bytes.count - 4, "last \(count) bytes")
    }
  }

  @Test func `heads alternate between the slots for ever`() throws {
    var sample = SampleEntry()
    var file = sample.file()
    var offsets: Set<Int> = []
    for i in 1...9 {
      let place = try ReadBack(file).freeSlot
      #expect(place.sequence == UInt64(i) + 1)
      offsets.insert(place.offset)
      sample.facts.born += 1
      sample.head = "HTTP/1.1 200 OK\r\nETag: \"n\(i)\"\r\n"
      sample.facts.etag = ByteRange(23, 27)
      overwrite(&file, place.offset, with: slot(sample, place))
      #expect(try ReadBack(file).entry == sample)
    }
    #expect(offsets.count == 2)
  }

  @Test func `a head that does not fit its slot is not written`() throws {
    let file = SampleEntry().file()
    let place = try ReadBack(file).freeSlot
    let head = [UInt8](repeating: 120, count: place.capacity - EntryFile.slotFixedBytes + 1)
    var output = OutputBuffer(capacity: 16)
    #expect(!place.fits(headBytes: head.count))
    #expect(place.fits(headBytes: head.count - 1))
    let isWritten = EntryFile.writeSlot(
      SampleEntry.facts, head: head.span, in: place, clock: SampleEntry.clock, to: &output)
    #expect(!isWritten)
    let count = output.count
    #expect(count == 0)
  }

  @Test func `no slot of one file is in force in another`() throws {
    let sample = SampleEntry()
    var other = sample
    other.url += "x"
    let file = sample.file()
    var mixed = other.file()
    let slots = try ReadBack(file).freeSlot
    let from = slots.offset - slots.capacity
    overwrite(&mixed, from + 1, with: file[from..<from + slots.capacity])
    #expect(throws: StoredFileFailure.unusable(.damaged(.head))) { try ReadBack(mixed) }
  }
}
