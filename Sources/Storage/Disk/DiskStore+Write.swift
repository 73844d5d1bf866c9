import Bytes
import Caching
import Glibc
import Synchronization

/// From the memory tier to a file: a response that was stored, and the head that a 304 has renewed.
extension DiskStore {
  /// Has a disk thread write an entry that the memory tier has just stored. Nobody waits: when the disk is
  /// slower than the origins, entries do without it.
  ///
  /// - Parameters:
  ///   - hash: Of its key.
  ///   - varyNames: What it varies on: lower-case, sorted, joined with commas.
  ///   - selecting: Hash of these fields in the request that it answered, and what they said, for people.
  public func keep(
    _ entry: consuming EntryHandle, hash: KeyHash, varyNames: [UInt8], selecting: KeyHash,
    varyValues: [UInt8]
  ) {
    guard let name = entry.name else { return }
    guard admission.admits(name) else { return counters.skippedForUses.count() }
    keepNow(
      entry, hash: hash, varyNames: varyNames, selecting: selecting, varyValues: varyValues)
  }

  /// Counts a hit in memory as a use. True: with that the entry has had as many as `min-uses` asks for and is
  /// not on the disk, and is to be given to `keepNow`.
  public func deservesKeeping(_ name: EntryName) -> Bool {
    index.peek(name) == nil && admission.admits(name)
  }

  /// As `keep`, whatever `min-uses` says.
  public func keepNow(
    _ entry: consuming EntryHandle, hash: KeyHash, varyNames: [UInt8], selecting: KeyHash,
    varyValues: [UInt8]
  ) {
    guard let name = entry.name else { return }
    guard health.mayWrite(now: now) else { return counters.skippedForFault.count() }
    let bytes = entry.bodyLength + entry.head.count
    let held = HeldEntry(
      entry, hash: hash, varyNames: varyNames, varyValues: varyValues, selecting: selecting)
    let isTaken = threads.defer(bytes: bytes) { self.write(held, name) }
    if !isTaken { counters.skippedForQueue.count() }
  }

  /// Has a disk thread write the head that a 304 has brought into the file of the entry, or all of it where
  /// that is not possible.
  public func renew(
    _ entry: consuming EntryHandle, hash: KeyHash, varyNames: [UInt8], selecting: KeyHash,
    varyValues: [UInt8]
  ) {
    guard let name = entry.name else { return }
    guard health.mayWrite(now: now) else { return counters.skippedForFault.count() }
    let bytes = entry.file == nil ? entry.bodyLength : 0
    let held = HeldEntry(
      entry, hash: hash, varyNames: varyNames, varyValues: varyValues, selecting: selecting)
    let isTaken = threads.defer(bytes: bytes) { self.writeHead(held, name) }
    if !isTaken { counters.skippedForQueue.count() }
  }

  // MARK: A whole file

  /// On a disk thread.
  func write(_ held: HeldEntry, _ name: EntryName) {
    let (varyNames, varyValues) = (held.varyNames, held.varyValues)
    let names = EntryFile.Names(
      key: held.key, url: held.url, varyNames: varyNames.span, varyValues: varyValues.span,
      selecting: held.selecting)
    guard let layout = EntryFile.Layout(names, headBytes: held.head.count) else { return }
    guard isWanted(name, born: held.entry.born, urlHash: held.entry.urlHash) else { return }
    let fileBytes = layout.fileBytes(bodyLength: held.entry.bodyLength)
    let reserved = DiskStore.spaceTaken(fileBytes)
    guard makeRoom(reserved) else { return counters.skippedForRoom.count() }
    let temporary = temporaryPath()
    let file = system.open(temporary, in: directory.descriptor, flags: O_WRONLY | O_CREAT | O_EXCL)
    guard file >= 0 else {
      index.release(reserved)
      return writeFailed(-file)
    }
    var facts = FileFacts()
    var checksums = BlockChecksums()
    var result = writeBody(held, at: layout.bodyOffset, to: file, &checksums)
    if result == 0 {
      result = writeFrame(names, held.facts, head: held.head, layout, checksums, to: file, &facts)
    }
    system.close(file)
    guard result == 0 else {
      _ = system.unlink(temporary, in: directory.descriptor)
      index.release(reserved)
      return writeFailed(-result)
    }
    let entry = DiskEntry(
      name, urlHash: held.entry.urlHash, held.facts, blocks: facts.blocks,
      lastUse: held.entry.freshness.responseTime)
    guard put(temporary, entry, urlHash: held.entry.urlHash, reserved: reserved) else {
      _ = system.unlink(temporary, in: directory.descriptor)
      return index.release(reserved)
    }
    counters.writtenBytes.count(fileBytes)
    if !varyNames.isEmpty {
      noteVary(
        key: held.key.array, url: held.url.array, varyNames, born: entry.born, urlHash: held.entry.urlHash)
    }
    if options.memoryObject == 0 { leaveMemory(held, name) }
  }

  /// Not purged, and not outrun by a newer response.
  private func isWanted(_ name: EntryName, born: UInt64, urlHash: KeyHash) -> Bool {
    if let known = index.peek(name), known.born > born { return false }
    return memory.fences.isEntryFenced(born: born, urlHash: urlHash) != .hard
  }

  /// Room within `size`, for which others leave.
  func makeRoom(_ bytes: Int) -> Bool {
    for _ in 0..<64 {
      if index.reserve(bytes) { return true }
      guard evictSome() else { return index.reserve(bytes) }
    }
    return false
  }

  /// What a file of so many bytes will take, before the file system says.
  static func spaceTaken(_ bytes: Int) -> Int { (bytes + 4095) & ~4095 }

  /// Writes what stands before and behind a body that is in the file, and tells what the file takes. 0, or
  /// `-errno`.
  func writeFrame(
    _ names: borrowing EntryFile.Names, _ facts: EntryFile.Facts, head: Span<UInt8>,
    _ layout: EntryFile.Layout, _ checksums: BlockChecksums, to file: CInt, _ onDisk: inout FileFacts
  ) -> CInt {
    let length = checksums.count
    var header = OutputBuffer(capacity: layout.bodyOffset)
    let stamp = EntryFile.writeHeader(
      names, facts, head: head, layout: layout, bodyLength: length,
      created: clock.storeClock.wall(now) * 1000, store: directory.meta.identity, clock: clock.storeClock,
      to: &header)
    var trailer = OutputBuffer(capacity: BlockTable.trailerBytes(bodyLength: length))
    checksums.finished().write(stamp: stamp, to: &trailer)
    var result = system.writeFully(file, trailer.bytes, at: layout.bodyOffset + length)
    if result == 0 { result = system.writeFully(file, header.bytes, at: 0) }
    return result == 0 ? system.facts(file, &onDisk) : result
  }

  private func writeBody(
    _ held: HeldEntry, at offset: Int, to file: CInt, _ checksums: inout BlockChecksums
  ) -> CInt {
    if let source = held.entry.file { return copyBody(source, at: offset, to: file, &checksums) }
    var at = offset
    for i in 0..<held.entry.bodySegmentCount {
      let (base, count) = unsafe held.entry.bodySegment(i)
      // SAFETY: the segment lives as long as the entry, which `held` counts.
      let bytes = unsafe Span<UInt8>(_unsafeStart: base, count: count)
      checksums.append(bytes)
      let result = system.writeFully(file, bytes, at: at)
      if result != 0 { return result }
      at += count
    }
    return 0
  }

  private func copyBody(
    _ source: StoredFile, at offset: Int, to file: CInt, _ checksums: inout BlockChecksums
  ) -> CInt {
    var buffer = [UInt8](repeating: 0, count: EntryFile.blockBytes)
    for block in 0..<source.table.blockCount {
      guard source.read(block, into: &buffer) == .sound else { return -EIO }
      let range = source.table.range(block)
      let bytes = buffer.span.extracting(0..<range.count)
      checksums.append(bytes)
      let result = system.writeFully(file, bytes, at: offset + range.lowerBound)
      if result != 0 { return result }
    }
    return 0
  }

  /// Moves a finished file to its place and enters it into the index. False: it is not wanted any more, or
  /// could not be moved.
  func put(_ temporary: String, _ entry: DiskEntry, urlHash: KeyHash, reserved: Int) -> Bool {
    let isPut = withNameLocked(entry.name) {
      guard isWanted(entry.name, born: entry.born, urlHash: urlHash), moveIntoPlace(temporary, entry.name)
      else { return false }
      let outcome = index.insert(entry, releasing: reserved) {
        self.memory.fences.isEntryFenced(born: entry.born, urlHash: urlHash)
      }
      // A purge came between the look and the move: it has not found the entry, and we take its file back.
      if outcome == .fenced { _ = system.unlink(path(entry.name), in: directory.descriptor) }
      return true
    }
    guard isPut else { return false }
    counters.writes.count()
    health.wrote()
    return true
  }

  func moveIntoPlace(_ temporary: String, _ name: EntryName) -> Bool {
    var result = system.rename(temporary, to: path(name), in: directory.descriptor)
    if result == -ENOENT {
      makeFolders(for: name)
      result = system.rename(temporary, to: path(name), in: directory.descriptor)
    }
    if result != 0 { writeFailed(-result) }
    return result == 0
  }

  private func makeFolders(for name: EntryName) {
    var folder = ""
    for part in directory.meta.levels.folder(for: name).split(separator: "/") {
      folder += folder.isEmpty ? String(part) : "/\(part)"
      _ = system.makeDirectory(folder, in: directory.descriptor)
    }
  }

  func writeFailed(_ code: CInt) {
    counters.writeErrors.count()
    health.failed(.write, code, now: now)
  }

  /// With `--memory 0` the body is only held in memory until it is in its file.
  private func leaveMemory(_ held: HeldEntry, _ name: EntryName) {
    _ = load(DiskRequest(name: name, key: held.key.array, hash: held.hash))
  }

  // MARK: Vary records

  /// Puts the response's list first in the record under the key's own name.
  func noteVary(key: [UInt8], url: [UInt8], _ varyNames: [UInt8], born: UInt64, urlHash: KeyHash) {
    let name = EntryName(key: key.span)
    // Before the name is locked: making room locks others.
    let reserved = DiskStore.spaceTaken(VaryRecord.mostBytes(key: key.count + url.count))
    guard makeRoom(reserved) else { return counters.skippedForRoom.count() }
    let isWritten = withNameLocked(name) { () -> Bool in
      var lists = [varyNames]
      if let known = readVaryRecord(name, key) {
        if known.lists.first == varyNames, index.peek(name) != nil { return false }
        lists += known.lists.filter { $0 != varyNames }.prefix(VaryLists.limit - 1)
      }
      let record = VaryRecord(
        key: key, url: url, lists: lists, born: born, purgeSequence: memory.fences.sequence,
        created: clock.storeClock.wall(now) * 1000)
      return write(record, name, urlHash: urlHash, reserved: reserved)
    }
    if !isWritten { index.release(reserved) }
  }

  private func readVaryRecord(_ name: EntryName, _ key: [UInt8]) -> VaryRecord? {
    let file = system.open(path(name), in: directory.descriptor, flags: O_RDONLY | O_NOFOLLOW)
    guard file >= 0 else { return nil }
    defer { system.close(file) }
    var facts = FileFacts()
    guard system.facts(file, &facts) == 0 else { return nil }
    var reader = makeReader()
    guard case .varyRecord(let record) = try? reader.contents(of: file, fileBytes: facts.size, now: now),
      record.key == key
    else { return nil }
    return record
  }

  /// The name is locked. False: nothing was entered into the index.
  private func write(_ record: VaryRecord, _ name: EntryName, urlHash: KeyHash, reserved: Int) -> Bool {
    var bytes = OutputBuffer(capacity: 512)
    record.write(store: directory.meta.identity, to: &bytes)
    let temporary = temporaryPath()
    let file = system.open(temporary, in: directory.descriptor, flags: O_WRONLY | O_CREAT | O_EXCL)
    guard file >= 0 else {
      writeFailed(-file)
      return false
    }
    var facts = FileFacts()
    var result = system.writeFully(file, bytes.bytes, at: 0)
    if result == 0 { result = system.facts(file, &facts) }
    system.close(file)
    guard result == 0, moveIntoPlace(temporary, name) else {
      if result != 0 { writeFailed(-result) }
      _ = system.unlink(temporary, in: directory.descriptor)
      return false
    }
    let entry = DiskEntry(
      varyRecord: name, urlHash: urlHash, born: record.born, blocks: facts.blocks, lastUse: now)
    let outcome = index.insert(entry, releasing: reserved) {
      self.memory.fences.isEntryFenced(born: record.born, urlHash: urlHash)
    }
    if outcome == .fenced { _ = system.unlink(path(name), in: directory.descriptor) }
    return true
  }

  // MARK: A new head

  /// On a disk thread. The head goes into the free slot, and is in force when it is there whole.
  private func writeHead(_ held: HeldEntry, _ name: EntryName) {
    let isWritten = withNameLocked(name) { () -> Bool in
      guard isWanted(name, born: held.entry.born, urlHash: held.entry.urlHash) else { return true }
      let file = system.open(path(name), in: directory.descriptor, flags: O_RDWR | O_NOFOLLOW)
      guard file >= 0 else { return false }
      defer { system.close(file) }
      return writeHead(held, name, to: file)
    }
    if !isWritten { write(held, name) }
  }

  /// False: the file is to be written anew.
  private func writeHead(_ held: HeldEntry, _ name: EntryName, to file: CInt) -> Bool {
    var facts = FileFacts()
    guard system.facts(file, &facts) == 0 else { return false }
    // A file that was changed by somebody else is not made good by us.
    if let source = held.entry.file, source.change(to: facts) != .none { return false }
    var reader = makeReader()
    guard case .entry(let entry) = try? reader.contents(of: file, fileBytes: facts.size, now: now),
      entry.name(in: reader.bytes) == name, entry.bodyLength == held.entry.bodyLength,
      entry.facts.born < held.entry.born
    else { return false }
    var slot = OutputBuffer(capacity: entry.freeSlot.capacity)
    guard
      EntryFile.writeSlot(
        held.facts, head: held.head, in: entry.freeSlot, clock: clock.storeClock, to: &slot)
    else { return false }
    var result: CInt = 0
    let write = { () -> FileVersion? in
      result = self.system.writeFully(file, slot.bytes, at: entry.freeSlot.offset)
      if result == 0 { result = self.system.facts(file, &facts) }
      return result == 0 ? facts.version : nil
    }
    if let source = held.entry.file { source.withNewHead(write) } else { _ = write() }
    guard result == 0 else {
      writeFailed(-result)
      return true
    }
    counters.headWrites.count()
    let new = DiskEntry(name, urlHash: held.entry.urlHash, held.facts, blocks: facts.blocks)
    _ = index.refresh(
      name, born: new.born, usefulUntil: new.usefulUntil, blocks: new.blocks, flags: new.flags
    ) { self.memory.fences.isEntryFenced(born: new.born, urlHash: held.entry.urlHash) }
    return true
  }
}
