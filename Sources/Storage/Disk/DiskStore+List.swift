import Bytes
public import Caching
import Glibc

/// What the operator asks the store. Each answer takes one job of a disk thread, which comes after all that a
/// client waits for, and is bounded: whoever wants all goes on from page to page.
extension DiskStore {
  /// Reads the heads of some entries, and calls `answer` on a disk thread with those that match.
  ///
  /// - Parameters:
  ///   - pattern: `nil`: all.
  ///   - cursor: 0 at first, then the `next` of the page before.
  /// - Returns: False: the store is ending.
  public func list(
    _ pattern: URLPattern?, from cursor: UInt32, answer: @escaping @Sendable (EntryPage) -> Void
  ) -> Bool {
    threads.defer(bytes: 0) { answer(self.page(of: pattern, from: cursor)) }
  }

  /// Reads every response under a canonical URL, with its body where it is short, and calls `answer` on a
  /// disk thread. A `next` says that there are more than one page takes; it leads nowhere.
  public func describe(url: [UInt8], answer: @escaping @Sendable (EntryPage) -> Void) -> Bool {
    threads.defer(bytes: 0) { answer(self.page(ofURL: url)) }
  }

  /// Reads some files wholly, and calls `answer` on a disk thread. A bad one is removed, as if a client had
  /// come upon it.
  ///
  /// - Parameter cursor: As for `list`.
  public func verify(
    from cursor: UInt32, answer: @escaping @Sendable (VerificationPage) -> Void
  ) -> Bool {
    threads.defer(bytes: 0) { answer(self.verificationPage(from: cursor)) }
  }

  private func page(of pattern: URLPattern?, from cursor: UInt32) -> EntryPage {
    var page = EntryPage()
    page.isComplete = isScanned.load(ordering: .acquiring)
    page.next = cursor
    var reader = StoredEntryReader(directory, clock: clock.storeClock, now: now)
    var looked = 0
    var bytes = 0
    while let at = page.next, looked < EntryPage.limit, bytes < EntryPage.byteLimit, !isEnding {
      let (found, next) = index.entries(from: at, limit: DiskIndex.step)
      page.next = next
      looked += found.count
      for entry in found {
        read(entry, &reader, into: &page) { pattern?.matches($0) ?? true }
      }
      bytes = page.entries.reduce(0) { $0 + $1.key.count + $1.url.count }
    }
    return page
  }

  private func page(ofURL url: [UInt8]) -> EntryPage {
    var page = EntryPage()
    page.isComplete = isScanned.load(ordering: .acquiring)
    var reader = StoredEntryReader(
      directory, clock: clock.storeClock, now: now, checkBytes: EntryPage.checkBytes)
    var bytes = 0
    for entry in index.entries(urlHash: memory.seed.hash(url.span).low) {
      guard page.entries.count < EntryPage.limit, bytes < EntryPage.byteLimit, !isEnding else {
        page.next = 0
        break
      }
      read(entry, &reader, into: &page) { $0.equals(url.span) }
      bytes += page.entries.last.map { $0.key.count + $0.url.count + $0.head.count } ?? 0
    }
    return page
  }

  private func read(
    _ entry: DiskEntry, _ reader: inout StoredEntryReader, into page: inout EntryPage,
    where isWanted: (Span<UInt8>) -> Bool
  ) {
    guard !entry.flags.contains(.varyRecord) else { return }
    do throws(StoredFileFailure) {
      guard var found = try reader.read(path(entry.name), entry.name, where: isWanted) else { return }
      found.hits = entry.hits
      found.isInMemory = memory.holdsBody(
        entry.name, hash: memory.seed.hash(found.key.span), urlHash: memory.seed.hash(found.url.span))
      // The index has heard of soft purges that the file has not.
      if entry.flags.contains(.softlyPurged) { found.facts.isSoftlyPurged = true }
      page.add(found)
    } catch {
      page.unusable += 1
    }
  }

  private func verificationPage(from cursor: UInt32) -> VerificationPage {
    var page = VerificationPage()
    page.isComplete = isScanned.load(ordering: .acquiring)
    page.next = cursor
    var verifier = FileVerifier(
      directory.descriptor, store: directory.meta.identity, clock: clock.storeClock, system: system)
    while let at = page.next, page.result.files < EntryPage.limit, page.result.bytes < EntryPage.checkBytes,
      !isEnding
    {
      let (entries, next) = index.entries(from: at, limit: DiskIndex.step)
      page.next = next
      for entry in entries where !isEnding { verify(entry.name, &verifier, into: &page) }
    }
    return page
  }

  private func verify(_ name: EntryName, _ verifier: inout FileVerifier, into page: inout VerificationPage) {
    let path = path(name)
    let verdict = verifier.verify(path, name: name) { _ in !isEnding }
    if verdict == .gone || verdict == .interrupted { return }
    page.result.note(verdict, isMisplaced: false)
    switch verdict {
    case .unreadable(let code): page.findings.append((path, .unreadable(code)))
    case .unusable(.unknownVersion): break
    case .unusable(let reason):
      page.findings.append((path, .bad(reason)))
      failed(.unusable(reason), name)
      guard index.peek(name) == nil else { return }
      page.findings.append((path, .removed))
      page.result.bad -= 1
      page.result.removed += 1
    case .sound, .gone, .interrupted: break
    }
  }
}

/// What reading some of the files has shown.
public struct VerificationPage: Sendable {
  public var result = StoreVerification()
  /// With the paths relative to the store's directory.
  public var findings: [(path: String, finding: StoreVerification.Finding)] = []
  /// As in `EntryPage`.
  public var next: UInt32?
  public var isComplete = true
}

extension DiskIndex {
  /// Entries of a URL.
  ///
  /// - Parameter urlHash: `KeyHash.low` of the canonical URL.
  func entries(urlHash: UInt64) -> [DiskEntry] {
    var found: [DiskEntry] = []
    let cursor = state.withLock { $0.beginCursor(urlHash) }
    while state.withLock({ !$0.readStep(cursor, &found) }) {}
    return found
  }
}

extension IndexState {
  /// True: that was all.
  fileprivate mutating func readStep(_ cursor: Int, _ found: inout [DiskEntry]) -> Bool {
    for _ in 0..<DiskIndex.step {
      let number = advanceCursor(cursor)
      guard number != 0 else {
        endCursor(cursor)
        return true
      }
      found.append(entry(number))
    }
    return false
  }
}

extension MemoryStore {
  /// The body of the entry that this file holds too is in memory.
  func holdsBody(_ name: EntryName, hash: KeyHash, urlHash: KeyHash) -> Bool {
    stripe(of: hash).withLock { stripe in
      urls.nodes(of: urlHash, inKeyStripe: stripe.number).contains {
        guard let entry = $0.it.entry, entry.it.name == name else { return false }
        return entry.it.body.file == nil
      }
    }
  }
}
