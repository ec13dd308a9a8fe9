import Glibc
import Testing

@testable import Kernels

@Suite("exp, sigmoid and tanh against double precision")
struct ExponentialTests {
    @Test("exp is within 1.5 units of the last place wherever its result is normal") func normalRange() {
        var worst = Worst()
        func check(_ x: Vector) {
            let y = exp(x)
            for lane in 0..<8 where x[lane] >= -87.33 && x[lane] <= 88.72 {
                worst.meet(y[lane], Glibc.exp(Double(x[lane])), at: x[lane])
            }
        }
        sweep(stride: 1021, check)
        ramp(-87.33, 88.72, count: 4_000_000, check)
        #expect(worst.error <= 1.5, "at \(worst.at)")
    }

    @Test("below the normal range exp rounds gradually to zero, and it never wraps round") func denormalResults() {
        var worst = Worst()
        ramp(-110, -87.3, count: 1_000_000) { x in
            let y = exp(x)
            for lane in 0..<8 {
                let error = abs(Double(y[lane]) - Glibc.exp(Double(x[lane])))
                worst.meet(error / Double(Float.leastNonzeroMagnitude) / 1.5, at: x[lane])
            }
        }
        // Results just below the normal range carry the relative error of the normal ones: up to 2 units.
        #expect(worst.error <= 1.4, "at \(worst.at)")
    }

    @Test("exp of special values") func specials() {
        #expect(scalar(exp, 0) == 1)
        #expect(scalar(exp, -0.0) == 1)
        #expect(scalar(exp, .leastNonzeroMagnitude) == 1)
        #expect(scalar(exp, -.leastNormalMagnitude) == 1)
        #expect(scalar(exp, .infinity) == .infinity)
        #expect(scalar(exp, -.infinity) == 0)
        #expect(scalar(exp, .nan).isNaN)
        #expect(scalar(exp, -.nan).isNaN)
        #expect(scalar(exp, .greatestFiniteMagnitude) == .infinity)
        #expect(scalar(exp, -.greatestFiniteMagnitude) == 0)
    }

    @Test("exp saturates and stays saturated, and is never negative, over all floats") func saturation() {
        var broken: [Float] = []
        sweep(stride: 1531) { x in
            let y = exp(x)
            for lane in 0..<8 {
                let (x, y) = (x[lane], y[lane])
                let good =
                    x.isNaN ? y.isNaN : x >= 88.73 ? y == .infinity : x <= -104 ? y == 0 : y >= 0 && y < .infinity
                if !good { broken.append(x) }
            }
        }
        #expect(broken.isEmpty, "\(broken.prefix(5))")
    }

    @Test("exp never falls by more than its error on neighbouring floats") func order() {
        var previous = -1.0
        var worst = Worst()
        ramp(-104, 89, count: 2_000_000) { x in
            let y = exp(x)
            for lane in 0..<8 {
                let value = Double(y[lane])
                if value < previous { worst.meet((previous - value) / Double(y[lane].ulp), at: x[lane]) }
                previous = value
            }
        }
        #expect(worst.error <= 2, "at \(worst.at)")
    }

    @Test("each lane of exp is computed for itself, whatever the others hold") func lanes() {
        var x = Vector(repeating: .nan)
        for lane in 0..<8 {
            x[lane] = 1.25
            #expect(same(exp(x)[lane], scalar(exp, 1.25)))
            x[lane] = lane % 2 == 0 ? .infinity : -.infinity
        }
    }

    @Test("sigmoid has a relative error below 1.8e-7 wherever its result is normal") func sigmoidError() {
        var worst = Worst()
        func check(_ x: Vector) {
            let y = sigmoid(x)
            for lane in 0..<8 where x[lane] >= -87.33 {
                let truth = 1 / (1 + Glibc.exp(-Double(x[lane])))
                worst.meet(abs(Double(y[lane]) - truth) / truth, at: x[lane])
            }
        }
        sweep(stride: 1021, check)
        ramp(-87.33, 20, count: 2_000_000, check)
        #expect(worst.error < 1.8e-7, "at \(worst.at)")
    }

    @Test("sigmoid falls only by its rounding on neighbouring floats, and not at all where it goes over to 0 and 1")
    func sigmoidOrder() {
        var previous = 0.0
        var worst = Worst()
        ramp(-90, 20, count: 2_000_000) { x in
            let y = sigmoid(x)
            for lane in 0..<8 {
                let value = Double(y[lane])
                if value < previous {
                    worst.meet(x[lane] < -87.33 || x[lane] > 17 ? .infinity : 1 - value / previous, at: x[lane])
                }
                previous = value
            }
        }
        #expect(worst.error < 2.5e-7, "at \(worst.at)")
    }

    @Test("sigmoid is 0 and 1 far out, in between for all other numbers, and NaN for NaN") func sigmoidRange() {
        var broken: [Float] = []
        sweep(stride: 2039) { x in
            let y = sigmoid(x)
            for lane in 0..<8 {
                let (x, y) = (x[lane], y[lane])
                let good = x.isNaN ? y.isNaN : x >= 17.33 ? y == 1 : x <= -89 ? y == 0 : y >= 0 && y <= 1
                if !good { broken.append(x) }
            }
        }
        #expect(broken.isEmpty, "\(broken.prefix(5))")
        #expect(scalar(sigmoid, 0) == 0.5)
        #expect(scalar(sigmoid, -0.0) == 0.5)
        #expect(scalar(sigmoid, .infinity) == 1)
        #expect(scalar(sigmoid, -.infinity) == 0)
    }

    @Test("the candidate function is positive, x + ½ above zero and sigmoid below") func candidate() {
        var broken: [Float] = []
        sweep(stride: 2039) { x in
            let (y, below) = (positive(x), sigmoid(x))
            for lane in 0..<8 {
                let expected = x[lane] >= 0 ? x[lane] + 0.5 : below[lane]
                if !same(y[lane], expected) || x[lane] > -87 && !(y[lane] > 0) { broken.append(x[lane]) }
            }
        }
        #expect(broken.isEmpty, "\(broken.prefix(5))")
        #expect(scalar(positive, -0.0) == 0.5)
    }

    @Test("tanh has a relative error below 1.8e-7 over all floats, denormals included") func tanhError() {
        var worst = Worst()
        func check(_ x: Vector) {
            let y = tanh(x)
            for lane in 0..<8 where !x[lane].isNaN && x[lane] != 0 {
                let truth = Glibc.tanh(Double(x[lane]))
                worst.meet(abs(Double(y[lane]) - truth) / abs(truth), at: x[lane])
            }
        }
        sweep(stride: 1021, check)
        ramp(-10, 10, count: 4_000_000, check)
        #expect(worst.error < 1.8e-7, "at \(worst.at)")
    }

    @Test("tanh is odd to the bit, never beyond one, and one far out") func tanhRange() {
        var broken: [Float] = []
        sweep(stride: 2039) { x in
            let (y, mirrored) = (tanh(x), tanh(Vector.zero - x))
            for lane in 0..<8 {
                let (x, y) = (x[lane], y[lane])
                let good =
                    x.isNaN
                    ? y.isNaN : y == -mirrored[lane] && abs(y) <= 1 && (abs(x) < 9.02 || abs(y) == 1) && y * x >= 0
                if !good { broken.append(x) }
            }
        }
        #expect(broken.isEmpty, "\(broken.prefix(5))")
        #expect(scalar(tanh, .infinity) == 1)
        #expect(scalar(tanh, -.infinity) == -1)
        #expect(scalar(tanh, 0) == 0)
        #expect(scalar(tanh, .leastNonzeroMagnitude) == .leastNonzeroMagnitude)
        #expect(scalar(tanh, .nan).isNaN)
    }
}
