import CLinux

/// What the thread sanitizer must be told; without it, nothing happens here.
///
/// It sees for itself what locks and atomics order, and Swift's runtime tells it of continuations, but for those that
/// are resumed in the moment in which their task begins to wait: of what was written before it then knows no order.
public enum HandOver {
    /// What this thread has done is there for the one that takes `object` from it.
    public static func give(_ object: AnyObject) {
        unsafe linux_tsan_release(Unmanaged.passUnretained(object).toOpaque())
    }

    /// What was done before `object` was given is there.
    public static func take(_ object: AnyObject) {
        unsafe linux_tsan_acquire(Unmanaged.passUnretained(object).toOpaque())
    }
}
