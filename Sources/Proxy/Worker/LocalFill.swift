import Storage

/// A fill as one worker sees it: the exchanges there that wait for it or read it.
final class LocalFill {
  let worker: Worker
  let fill: Fill
  private var readers: [Exchange] = []
  /// The least that any reader had consumed when that was last reported.
  private var least = 0
  /// Readers have moved while the fill was kept, of which the owner knows nothing.
  private var owesReport = false
  /// Interim responses that the readers have been sent, or that were there before them.
  private var interimsTold: Int
  /// The exchange that the fill was begun for, if it is still among the readers: `leave` ends this reference.
  /// Not weak: an object that was once referred to weakly is counted by three atomics for the rest of its
  /// life.
  var starter: Exchange?

  init(worker: Worker, fill: Fill) {
    self.worker = worker
    self.fill = fill
    interimsTold = fill.interimCount
  }

  var isEmpty: Bool { readers.isEmpty }

  func isStarter(_ exchange: Exchange) -> Bool { starter === exchange }

  /// False: the fill takes no new readers (lifecycle L12).
  func enter(_ exchange: Exchange) -> Bool {
    guard fill.enter(worker: worker.index) else { return false }
    exchange.readerIndex = readers.count
    readers.append(exchange)
    least = 0
    return true
  }

  func leave(_ exchange: Exchange) {
    let index = exchange.readerIndex
    guard index >= 0, index < readers.count, readers[index] === exchange else { return }
    exchange.readerIndex = -1
    let last = readers.removeLast()
    if last !== exchange {
      readers[index] = last
      last.readerIndex = index
    }
    if starter === exchange { starter = nil }
    fill.leave(worker: worker.index)
    if readers.isEmpty { worker.forget(self) } else { moved(from: exchange.body.offset) }
  }

  /// A reader that was at `offset` has taken bytes, or has left; what all have taken may be reused. Only a
  /// move of the last one can change that: with ten thousand readers, looking at all for each would be felt.
  func moved(from offset: Int) {
    if fill.keep { owesReport = true } else if owesReport || offset <= least { report() }
  }

  private func report() {
    owesReport = false
    least = Int.max
    var furthest = 0
    for reader in readers {
      least = min(least, reader.body.offset)
      furthest = max(furthest, reader.body.offset)
    }
    fill.report(worker: worker.index, consumed: least, furthest: furthest)
  }

  /// The fill has news for this worker.
  func progressed() {
    fill.clearPending(worker: worker.index)
    tellInterims()
    let limit = fill.cutLimit
    for reader in readers {
      if reader.phase == .delivering, reader.body.offset < limit {
        worker.counters.add(.readersCut)
        reader.stream?.cut(reader)
      } else {
        reader.fillProgressed()
      }
    }
  }

  /// Interim responses reach those who still wait for the head (lifecycle L28).
  func tellInterims() {
    guard fill.interimCount > interimsTold else { return }
    for bytes in fill.interims(after: interimsTold) {
      interimsTold += 1
      for reader in readers where reader.phase == .waiting { reader.stream?.sendInterim(bytes, of: reader) }
    }
  }
}
