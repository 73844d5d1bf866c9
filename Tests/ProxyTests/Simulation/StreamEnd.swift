import Glibc
import IO

/// One end of a simulated TCP connection, with the states that Linux gives it: bounded buffers both ways, a
/// half-close, resets that overtake data, errors that are told once.
///
/// What is written lies in `outgoing` until the scheduler picks this end: then some of it arrives.
final class StreamEnd: Step {
  let network: Network
  private(set) var peer: StreamEnd?
  private let received = ByteQueue()
  private let outgoing = ByteQueue()
  private let receiveLimit: Int
  private let sendLimit: Int

  private(set) var isConnecting = false
  private(set) var endHasArrived = false
  private(set) var endIsSent = false
  private(set) var isDead = false
  private var error: CInt = 0
  private var resetIsSent = false
  /// A write found no room; the next room is announced.
  private var isStarved = false
  /// Its owner has not closed it.
  private(set) var isOpen = true
  /// The kernel's descriptor of it is watched.
  var watch: Watch?
  /// The actor at this end, told of every change.
  weak var actor: Step?
  /// Whom the connection is made to, while it is not made.
  var dialled: SocketAddress?
  /// The kernel has made it by `connect`.
  var isDialled = false
  /// How the other side is called; what `accept` reports.
  var address: SocketAddress?
  private(set) var bytesTaken = 0

  private init(_ network: Network) {
    self.network = network
    receiveLimit = network.random.pick(network.bufferSizes)
    sendLimit = network.random.pick(network.bufferSizes)
  }

  static func pair(on network: Network) -> (StreamEnd, StreamEnd) {
    let near = StreamEnd(network)
    let far = StreamEnd(network)
    near.peer = far
    far.peer = near
    return (near, far)
  }

  // MARK: What its owner does

  var available: Int { received.count }
  var mayRead: Bool { !received.isEmpty || endHasArrived || isDead }
  var room: Int { sendLimit - outgoing.count }
  /// What was written and is not in the peer's buffer.
  var unsentBytes: Int { outgoing.count }
  /// All that was written has reached the peer's buffer.
  var allHasArrived: Bool { outgoing.isEmpty }

  /// As `read(2)`.
  func read(into memory: UnsafeMutableRawPointer, count: Int) -> Int {
    if !received.isEmpty {
      let taken = unsafe received.take(count, into: memory)
      bytesTaken += taken
      peer?.mayBeDeliverable()
      return taken
    }
    if let code = takeError() { return -Int(code) }
    return endHasArrived || isDead ? 0 : -Int(EAGAIN)
  }

  /// For actors: all that is there, at most `most`.
  func take(most: Int = .max) -> [UInt8] {
    let bytes = received.takeAll(most: most)
    bytesTaken += bytes.count
    peer?.mayBeDeliverable()
    return bytes
  }

  /// As `write(2)`.
  func write(_ bytes: UnsafeRawPointer, count: Int) -> Int {
    if let code = takeError() { return -Int(code) }
    if isDead || endIsSent { return -Int(EPIPE) }
    if isConnecting { return -Int(EAGAIN) }
    let taken = min(room, count)
    if taken < count { isStarved = true }
    guard taken > 0 else { return -Int(EAGAIN) }
    unsafe outgoing.append(bytes, count: taken)
    mayBeDeliverable()
    return taken
  }

  /// For actors. Returns how many of the bytes from `start` on were taken; negative: the connection is dead.
  func write(_ bytes: [UInt8], from start: Int) -> Int {
    let count = unsafe bytes.withUnsafeBytes {
      unsafe write($0.baseAddress! + start, count: bytes.count - start)
    }
    return count == -Int(EAGAIN) ? 0 : count
  }

  func takeError() -> CInt? {
    guard error != 0 else { return nil }
    defer { error = 0 }
    return error
  }

  func shutdownWrite() {
    guard !isDead, !endIsSent, !isConnecting else { return }
    endIsSent = true
    mayBeDeliverable()
  }

  /// As `close(2)`: unread bytes make it a reset.
  func close() {
    guard isOpen else { return }
    isOpen = false
    watch = nil
    actor = nil
    if isConnecting || !received.isEmpty { resetIsSent = true } else { endIsSent = true }
    received.removeAll()
    mayBeDeliverable()
  }

  func reset() {
    guard isOpen else { return }
    isOpen = false
    watch = nil
    actor = nil
    resetIsSent = true
    mayBeDeliverable()
  }

  // MARK: What the network does

  /// Something of this end can move now.
  private var isDeliverable: Bool {
    guard let peer else { return false }
    if isConnecting { return dialled != nil || resetIsSent }
    if peer.isConnecting { return false }
    if resetIsSent { return true }
    if !outgoing.isEmpty { return !peer.isOpen || peer.received.count < peer.receiveLimit }
    return endIsSent && !peer.endHasArrived
  }

  func mayBeDeliverable() { if isDeliverable { network.activate(self) } }

  override func step() {
    guard isDeliverable, let peer else { return }
    if isConnecting {
      dialled.map { network.connect(self, to: $0) }
      if resetIsSent { unlink() }
      return
    }
    if resetIsSent { return deliverReset(to: peer) }
    if !outgoing.isEmpty { deliverBytes(to: peer) }
    if outgoing.isEmpty, endIsSent, !peer.endHasArrived { deliverEnd(to: peer) }
    mayBeDeliverable()
  }

  private func deliverBytes(to peer: StreamEnd) {
    guard peer.isOpen else {
      // Nobody is there to read: the kernel answers with a reset.
      outgoing.removeAll()
      if endIsSent { unlink() }
      return arrive(reset: ECONNRESET)
    }
    let most = min(outgoing.count, peer.receiveLimit - peer.received.count)
    let count = network.random.once(in: 3) ? 1 + network.random.below(most) : most
    outgoing.move(count, to: peer.received)
    if isStarved, room * 3 >= sendLimit {
      isStarved = false
      announce(.writable)
    }
    peer.announce(.readable)
  }

  private func deliverEnd(to peer: StreamEnd) {
    peer.endHasArrived = true
    if !isOpen, !peer.isOpen { unlink() } else { peer.announce([.readable, .peerEnded]) }
  }

  private func deliverReset(to peer: StreamEnd) {
    let arrives = min(outgoing.count, peer.receiveLimit - peer.received.count)
    if peer.isOpen, arrives > 0, network.random.once(in: 2) {
      outgoing.move(1 + network.random.below(arrives), to: peer.received)
    }
    unlink()
    peer.arrive(reset: ECONNRESET)
  }

  /// The peer, or the kernel of the peer, has ended the connection at once.
  func arrive(reset code: CInt) {
    guard isOpen, !isDead else { return }
    isConnecting = false
    isDead = true
    error = code
    outgoing.removeAll()
    unlink()
    announce([.readable, .writable, .failed, .hungUp, .peerEnded])
  }

  /// The connection is lost on the way, for both sides.
  func lose(_ code: CInt) {
    let peer = peer
    arrive(reset: code)
    peer?.arrive(reset: code)
  }

  private func unlink() {
    peer?.peer = nil
    peer = nil
  }

  func beginConnecting(to address: SocketAddress) {
    isConnecting = true
    dialled = address
    mayBeDeliverable()
  }

  /// The address does not answer at all.
  func stayUnconnected() { dialled = nil }

  func becomeConnected() {
    isConnecting = false
    dialled = nil
    announce(.writable)
    mayBeDeliverable()
    peer?.mayBeDeliverable()
  }

  // MARK: Readiness

  /// As `poll` sees it.
  var state: Readiness {
    var state: Readiness = []
    if isConnecting { return state }
    if mayRead { state.insert(.readable) }
    if isDead || !isStarved { state.insert(.writable) }
    if endHasArrived || isDead { state.insert(.peerEnded) }
    if isDead || endHasArrived && endIsSent { state.insert(.hungUp) }
    if error != 0 { state.insert(.failed) }
    return state
  }

  /// An edge.
  func announce(_ change: Readiness) {
    watch?.edge(change)
    if let actor { network.activate(actor) }
  }
}
