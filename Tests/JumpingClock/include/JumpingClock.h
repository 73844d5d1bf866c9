// Preloaded into a program, it sets its wall clock ahead by the seconds in a file, a 64-bit number that may
// change at any time; LARDER_CLOCK names the file. The monotonic clocks go right, as those of Linux do when
// somebody sets the time. (libfaketime moves the environment, and Swift's runtime then finds no arguments.)
