/// The range of a step count.
public enum Steps {
    /// The most inputs that a sequence may have absorbed, 2^53 − 1: up to here every whole number is exact in a JSON
    /// reader that keeps numbers as doubles.
    public static let largest = (1 << 53) - 1
}
