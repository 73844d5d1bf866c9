/// An exchange that waits for a connection.
struct Waiter {
  var worker: Int
  var ticket: UInt64
  var tried: TriedServers
}

/// Waiters in the order of their arrival, over all workers. Joining, leaving from anywhere and serving the
/// first take constant time. Its length is bounded by the exchanges that exist.
struct WaiterQueue {
  private struct Key: Hashable {
    var worker: Int
    var ticket: UInt64
  }

  /// A member of a doubly linked list whose links are indices; −1 is no link.
  private struct Place {
    var waiter: Waiter
    var before: Int
    var after: Int
  }

  private var places: [Place] = []
  private var free: [Int] = []
  private var index: [Key: Int] = [:]
  private var firstPlace = -1
  private var lastPlace = -1

  var count: Int { index.count }
  var isEmpty: Bool { index.isEmpty }
  /// Place of the first in the queue.
  var first: Int? { firstPlace < 0 ? nil : firstPlace }

  func after(_ place: Int) -> Int? {
    let next = places[place].after
    return next < 0 ? nil : next
  }

  subscript(place: Int) -> Waiter { places[place].waiter }

  mutating func append(_ waiter: Waiter) {
    let place = Place(waiter: waiter, before: lastPlace, after: -1)
    let at: Int
    if let reused = free.popLast() {
      at = reused
      places[at] = place
    } else {
      at = places.count
      places.append(place)
    }
    let earlier = index.updateValue(at, forKey: Key(worker: waiter.worker, ticket: waiter.ticket))
    precondition(earlier == nil, "a ticket may be in the queue once")
    if lastPlace >= 0 { places[lastPlace].after = at } else { firstPlace = at }
    lastPlace = at
  }

  /// - Returns: false if it is not in the queue.
  mutating func remove(worker: Int, ticket: UInt64) -> Bool {
    guard let at = index[Key(worker: worker, ticket: ticket)] else { return false }
    remove(at: at)
    return true
  }

  @discardableResult
  mutating func remove(at place: Int) -> Waiter {
    let left = places[place]
    if left.before >= 0 { places[left.before].after = left.after } else { firstPlace = left.after }
    if left.after >= 0 { places[left.after].before = left.before } else { lastPlace = left.before }
    index[Key(worker: left.waiter.worker, ticket: left.waiter.ticket)] = nil
    places[place].waiter.tried = TriedServers()
    free.append(place)
    return left.waiter
  }
}
