/// Monotonic milliseconds of a loop's coarse clock: for time-outs.
public typealias Milliseconds = Int64

/// Seconds since 1970 by the wall clock at the start of the process plus monotonic time since: for ages.
/// Never jumps, whatever is done to the wall clock.
public typealias CacheSeconds = Int64
