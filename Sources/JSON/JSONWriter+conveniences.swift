extension JSONWriter {
    public mutating func field(_ name: String, _ value: String) {
        key(name)
        string(value)
    }

    public mutating func field(_ name: String, _ value: Int) {
        key(name)
        int(value)
    }

    public mutating func field(_ name: String, _ value: Float) {
        key(name)
        float(value)
    }

    public mutating func field(_ name: String, _ value: Double) {
        key(name)
        double(value)
    }

    public mutating func field(_ name: String, _ value: Bool) {
        key(name)
        bool(value)
    }

    /// An array of finite floats, each as ``float(_:)`` writes it.
    public mutating func floats(_ numbers: some Sequence<Float>) {
        beginArray()
        for number in numbers { float(number) }
        endArray()
    }

    /// An array of finite floats, each as ``float(_:)`` writes it.
    public mutating func floats(_ numbers: Span<Float>) {
        beginArray()
        for index in numbers.indices { float(numbers[index]) }
        endArray()
    }

    /// An array of finite floats, each as ``float(_:)`` writes it.
    public mutating func floats(_ numbers: [Float]) { floats(numbers.span) }

    /// A member that is null.
    public mutating func fieldNull(_ name: String) {
        key(name)
        null()
    }

    /// An array of integers.
    public mutating func ints(_ numbers: [Int]) {
        beginArray()
        for number in numbers { int(number) }
        endArray()
    }
}
