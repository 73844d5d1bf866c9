import Bytes
import Caching
import HTTP
import Storage
import Telemetry

/// Asking the disk tier, which answers by mail: for what the memory tier does not have, and for bytes of a
/// body that are not in the page cache or have not been compared with their checksums.
extension Exchange {
  /// The memory tier has nothing under this key, in the worker's buffer.
  func askDisk() {
    hasAskedDisk = true
    let worker = worker
    guard let disk = worker.disk else { return missed() }
    let name = EntryName(key: worker.key.bytes)
    guard disk.mayHave(name) else { return missed() }
    open(name, of: disk)
  }

  private func open(_ name: EntryName, of disk: DiskStore) {
    let worker = worker
    persistRequest()
    phase = .waiting
    worker.loop.setDeadline(self, worker.loop.now + worker.limits.collapseTimeoutMilliseconds)
    let (ticket, answer) = worker.awaitDisk(self)
    if worker.opening[name] != nil {
      worker.opening[name]?.append(ticket)
      return
    }
    worker.opening[name] = [ticket]
    let request = DiskRequest(name: name, key: worker.key.bytes.array, hash: keyHash)
    disk.open(request, answer: answer)
  }

  /// With `min-uses`, hits in memory are uses as well.
  func countUse(_ entry: borrowing EntryHandle, of disk: DiskStore) {
    guard entry.file == nil, let name = entry.name, disk.deservesKeeping(name) else { return }
    let worker = worker
    worker.headBytes.removeAll()
    worker.headBytes.append(entry.head)
    worker.headBytes.append("\r\n")
    var stored = ResponseHead()
    let isParsed = unsafe (try? stored.parse(worker.headBytes.base, count: worker.headBytes.count)) ?? false
    guard isParsed else { return }
    let names = VaryList.parse(from: stored.head).names
    var lines = OutputBuffer(capacity: 256)
    writeSelectingLines(names.span, request: request.head, to: &lines)
    disk.keepNow(
      entry.duplicate(), hash: keyHash, varyNames: names,
      selecting: selectingHash(names.span, request: request.head, seed: worker.store.seed),
      varyValues: lines.bytes.array)
  }

  func diskAnswered(_ answer: DiskAnswer.Kind) {
    worker.loop.setDeadline(self, 0)
    switch answer {
    case .prepared where phase == .waiting:
      writeKey()
      lookUp()
    case .prepared:
      body.nextIsPrepared()
      stream?.bodyProgressed(of: self)
    case .installed:
      writeKey()
      lookUp()
    case .varies(let lists):
      writeKey()
      openVariant(lists)
    case .nothing:
      writeKey()
      missed()
    case .purged(let isDurable): purgeIsLogged(isDurable)
    case .report(let json): deliverOwn(status: 200, body: json, contentType: AdminText.contentType)
    }
  }

  /// The key's responses vary: the first list, newest first, under which there is one for this request.
  private func openVariant(_ lists: [[UInt8]]) {
    let worker = worker
    guard let disk = worker.disk else { return missed() }
    for names in lists {
      let selecting = selectingHash(names.span, request: request.head, seed: worker.store.seed)
      let name = EntryName(key: worker.key.bytes, varyNames: names.span, selecting: selecting)
      if disk.mayHave(name) { return open(name, of: disk) }
    }
    missed()
  }

  /// The disk is no reason to let a client wait for ever.
  func diskWasSlow() {
    leaveDisk()
    worker.counters.add(.diskTimeouts)
    if phase == .delivering { return stream?.cut(self) ?? () }
    writeKey()
    missed()
  }

  /// The next bytes of the body cannot be had at once: those of a file, which the disk reads, or of a fill,
  /// which will come.
  func awaitBody() {
    guard diskTicket == 0, let disk = worker.disk else { return }
    let fill = body.fill
    guard body.file != nil || fill?.hasSpilled(body.offset) ?? false else { return }
    let (_, answer) = worker.awaitDisk(self)
    if let file = body.file {
      disk.prepare(file, from: body.offset) { answer(DiskAnswer(.prepared)) }
    } else if let fill {
      disk.prepare(fill, from: body.offset) { answer(DiskAnswer(.prepared)) }
    }
  }

  /// The first bytes of a file are not at hand. The head waits for them, so that a file that cannot be read
  /// any more is a miss and no broken promise. False: there is nothing to wait for.
  func preparesBody() -> Bool {
    guard diskTicket == 0, !hasPreparedBody, let disk = worker.disk, let file = body.file else {
      return false
    }
    hasPreparedBody = true
    persistRequest()
    phase = .waiting
    worker.loop.setDeadline(self, worker.loop.now + worker.limits.collapseTimeoutMilliseconds)
    let (_, answer) = worker.awaitDisk(self)
    disk.prepare(file, from: body.offset) { answer(DiskAnswer(.prepared)) }
    outgoing = Outgoing()
    body.clear()
    return true
  }

  /// The file has turned out to be bad before anything was said of it.
  func fileFailed() {
    outgoing = Outgoing()
    body.clear()
    writeKey()
    lookUp()
  }

  func leaveDisk() {
    guard diskTicket != 0 else { return }
    worker.diskWaiters[diskTicket] = nil
    diskTicket = 0
  }
}

extension Worker {
  /// A ticket under which the disk's answer finds the exchange, and what a disk thread calls with that
  /// answer.
  func awaitDisk(_ exchange: Exchange) -> (ticket: UInt64, answer: @Sendable (DiskAnswer) -> Void) {
    let ticket = nextTicket()
    exchange.diskTicket = ticket
    diskWaiters[ticket] = exchange
    let mailbox = deployment.mailboxes[index]
    return (ticket, { mailbox.post(.disk(ticket, $0)) })
  }

  /// Purges a URL in all tiers. With a disk, `exchange` waits until the purge is written down.
  func purge(_ url: Span<UInt8>, soft: Bool, for exchange: Exchange?) -> (purged: Int, sequence: UInt64) {
    guard let disk else { return store.purge(url: url, soft: soft) }
    guard let exchange else { return disk.purge(url: url, soft: soft) { _ in } }
    exchange.phase = .waiting
    exchange.persistRequest()
    let (_, answer) = awaitDisk(exchange)
    return disk.purge(url: url, soft: soft) { answer(DiskAnswer(.purged(isDurable: $0))) }
  }

  /// Has a disk thread answer the operator's question. False: the store is ending.
  ///
  /// - Parameter ask: Gives the disk the question, and what to call with the answer.
  func report(
    to exchange: Exchange, _ ask: (@escaping @Sendable ([UInt8]) -> Void) -> Bool
  ) -> Bool {
    exchange.phase = .waiting
    exchange.persistRequest()
    let (_, answer) = awaitDisk(exchange)
    let isTaken = ask { answer(DiskAnswer(.report($0))) }
    if !isTaken { exchange.leaveDisk() }
    return isTaken
  }

  func diskAnswered(_ ticket: UInt64, _ answer: DiskAnswer) {
    var tickets = [ticket]
    if let name = answer.name, let all = opening.removeValue(forKey: name) { tickets = all }
    for ticket in tickets {
      guard let exchange = diskWaiters.removeValue(forKey: ticket) else { continue }
      exchange.diskTicket = 0
      exchange.diskAnswered(answer.kind)
    }
  }
}
