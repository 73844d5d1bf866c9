import Testing

/// The wake-up protocol of `Fill`, one atomic operation a step, run through every interleaving. The steps are
/// those of `Fill+Owner.swift` and `Fill+Readers.swift`, in their order; all of them are sequentially
/// consistent or exchanges there, so that interleavings are all there is.
@Suite("Wake-ups in every interleaving, L3")
struct FillModelTests {
  @Test(arguments: [1, 2, 3])
  func `no wake-up is lost, and at most one is outstanding, while readers enter, sleep and leave`(
    _ workers: Int
  ) {
    let states = explore(WakeModel(workers: workers, bytes: workers == 3 ? 1 : 2, order: .asBuilt))
    #expect(states.broken == nil)
    print("wake-up model with \(workers) workers: \(states.count) states")
  }

  @Test(arguments: [WakeModel.Order.readsBeforeClearing, .looksForReadersFirst])
  func `the model finds the wake-up that a wrong order loses`(_ order: WakeModel.Order) {
    #expect(explore(WakeModel(workers: 1, bytes: 2, order: order)).broken != nil)
  }

  @Test(arguments: [1, 2])
  func `a paused owner is woken once there is room, and by one message at a time`(_ workers: Int) {
    let states = explore(WindowModel(workers: workers, bytes: 3, rechecks: true))
    #expect(states.broken == nil)
    print("window model with \(workers) workers: \(states.count) states")
  }

  @Test func `without the second look before it sleeps, the owner may sleep for ever`() {
    #expect(explore(WindowModel(workers: 1, bytes: 3, rechecks: false)).broken != nil)
  }

  private func explore<Model: Explorable>(_ start: Model) -> (count: Int, broken: Model?) {
    var seen: Set<Model> = [start]
    var open = [start]
    while let state = open.popLast() {
      let successors = state.successors()
      if state.isBroken || successors.isEmpty && !state.isFinished { return (seen.count, state) }
      for next in successors + state.departures() where seen.insert(next).inserted { open.append(next) }
    }
    return (seen.count, nil)
  }
}

protocol Explorable: Hashable {
  func successors() -> [Self]
  /// Readers may go at any time, but nothing may depend on it.
  func departures() -> [Self]
  /// Something that must never be.
  var isBroken: Bool { get }
  /// It is right that nothing happens any more.
  var isFinished: Bool { get }
}

/// An owner that publishes some bytes and completes, and one reader on each worker.
struct WakeModel: Explorable {
  enum Order: Hashable, Sendable {
    case asBuilt
    /// Wrong: the reader looks at what is published, and only then clears its flag.
    case readsBeforeClearing
    /// Wrong: the owner looks for readers before it publishes.
    case looksForReadersFirst
  }

  enum ReaderStep: Hashable { case entering, looking, sleeping, clearing, gone, done }

  struct Reader: Hashable {
    var step = ReaderStep.entering
    var isCounted = false
    var isPending = false
    var mails = 0
    var seen = 0
    var seesEnd = false
  }

  var readers: [Reader]
  let bytes: Int
  let order: Order
  var published = 0
  var isComplete = false
  /// The owner's step: of each publication, first the store, then for each worker a look and an exchange.
  var ownerStep = 0
  var sawReader = false

  init(workers: Int, bytes: Int, order: Order) {
    readers = Array(repeating: Reader(), count: workers)
    self.bytes = bytes
    self.order = order
  }

  private var stepsPerPublication: Int { 1 + 2 * readers.count }

  var isBroken: Bool { readers.contains { $0.mails > 1 } }

  /// Every reader that has not left has seen all there is.
  var isFinished: Bool { readers.allSatisfy { $0.step == .done || $0.step == .gone } }

  func successors() -> [WakeModel] {
    var all: [WakeModel] = []
    if let next = ownerSteps() { all.append(next) }
    for i in readers.indices { all += readerSteps(i) }
    return all
  }

  func departures() -> [WakeModel] {
    readers.indices.filter { readers[$0].step == .sleeping }.map { i in
      var next = self
      next.readers[i].isCounted = false
      next.readers[i].step = .gone
      return next
    }
  }

  private func ownerSteps() -> WakeModel? {
    let publication = ownerStep / stepsPerPublication
    guard publication <= bytes else { return nil }
    var next = self
    next.ownerStep += 1
    let isWrong = order == .looksForReadersFirst
    var within = ownerStep % stepsPerPublication
    if isWrong { within = (within + 1) % stepsPerPublication }
    switch within {
    case 0:
      if publication == bytes { next.isComplete = true } else { next.published += 1 }
    // In the wrong order, the wake-ups were decided before.
    case let step where step % 2 == 1:
      next.sawReader = readers[(step - 1) / 2].isCounted
    case let step:
      let i = (step - 2) / 2
      guard sawReader else { break }
      if !readers[i].isPending { next.readers[i].mails += 1 }
      next.readers[i].isPending = true
    }
    return next
  }

  private func readerSteps(_ i: Int) -> [WakeModel] {
    var next = self
    switch readers[i].step {
    case .entering:
      next.readers[i].isCounted = true
      next.readers[i].step = .looking
      return [next]
    case .looking:
      next.look(i)
      next.readers[i].step = .sleeping
      return [next.settled(i)]
    case .sleeping:
      guard readers[i].mails > 0 else { return [] }
      if order == .readsBeforeClearing { next.look(i) }
      next.readers[i].mails -= 1
      next.readers[i].step = .clearing
      return [next]
    case .clearing:
      next.readers[i].isPending = false
      next.readers[i].step = order == .readsBeforeClearing ? .sleeping : .looking
      return [order == .readsBeforeClearing ? next.settled(i) : next]
    case .gone, .done:
      // The worker clears the flag even when nobody is left.
      guard readers[i].mails > 0 else { return [] }
      next.readers[i].mails -= 1
      next.readers[i].isPending = false
      return [next]
    }
  }

  private mutating func look(_ i: Int) {
    readers[i].seesEnd = isComplete
    readers[i].seen = published
  }

  private func settled(_ i: Int) -> WakeModel {
    var next = self
    if next.readers[i].step == .sleeping, next.readers[i].seesEnd, next.readers[i].seen == bytes {
      next.readers[i].step = .done
      next.readers[i].isCounted = false
    }
    return next
  }
}

/// An owner whose window holds one byte, and readers that consume and report.
struct WindowModel: Explorable {
  enum OwnerStep: Hashable { case asking, pausing, asking2, sleeping, clearing, done }
  enum ReaderStep: Hashable { case consuming, lookingForPause, lookingForRoom, ringing }

  struct Reader: Hashable {
    var step = ReaderStep.consuming
    var consumed = 0
    var isGone = false
  }

  var readers: [Reader]
  let bytes: Int
  let rechecks: Bool
  var owner = OwnerStep.asking
  var published = 0
  var isPaused = false
  var isDrainPending = false
  var mails = 0

  init(workers: Int, bytes: Int, rechecks: Bool) {
    readers = Array(repeating: Reader(), count: workers)
    self.bytes = bytes
    self.rechecks = rechecks
  }

  var isBroken: Bool { mails > 1 }
  var isFinished: Bool {
    owner == .done && readers.allSatisfy { $0.isGone || $0.consumed == bytes }
  }

  private var isFull: Bool {
    let least = readers.filter { !$0.isGone }.map(\.consumed).min() ?? published
    return published - least >= 1
  }

  func successors() -> [WindowModel] {
    var all = ownerSteps()
    for i in readers.indices { all += readerSteps(i) }
    return all
  }

  func departures() -> [WindowModel] {
    readers.indices.filter { readers[$0].step == .consuming && !readers[$0].isGone }.map { i in
      var next = self
      next.readers[i].isGone = true
      next.readers[i].step = .lookingForPause
      return next
    }
  }

  private func ownerSteps() -> [WindowModel] {
    var next = self
    switch owner {
    case .asking, .asking2:
      if !isFull {
        next.isPaused = false
        next.published += 1
        next.owner = next.published == bytes ? .done : .asking
      } else if owner == .asking {
        next.owner = .pausing
      } else {
        next.owner = .sleeping
      }
      return [next]
    case .pausing:
      next.isPaused = true
      next.owner = rechecks ? .asking2 : .sleeping
      return [next]
    case .sleeping:
      guard mails > 0 else { return [] }
      next.mails -= 1
      next.owner = .clearing
      return [next]
    case .clearing:
      next.isDrainPending = false
      next.owner = .asking
      return [next]
    case .done:
      guard mails > 0 else { return [] }
      next.mails -= 1
      next.isDrainPending = false
      return [next]
    }
  }

  private func readerSteps(_ i: Int) -> [WindowModel] {
    var next = self
    switch readers[i].step {
    case .consuming:
      guard !readers[i].isGone, published > readers[i].consumed else { return [] }
      next.readers[i].consumed += 1
      next.readers[i].step = .lookingForPause
    case .lookingForPause: next.readers[i].step = isPaused ? .lookingForRoom : .consuming
    case .lookingForRoom: next.readers[i].step = isFull ? .consuming : .ringing
    case .ringing:
      if !isDrainPending { next.mails += 1 }
      next.isDrainPending = true
      next.readers[i].step = .consuming
    }
    return [next]
  }
}
