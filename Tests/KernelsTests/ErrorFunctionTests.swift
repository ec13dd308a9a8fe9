import Glibc
import Testing

@testable import Kernels

@Suite("erf, GELU and the logarithm against double precision")
struct ErrorFunctionTests {
    @Test("erf has an absolute error below 1.3e-7 over all floats") func erfError() {
        var worst = Worst()
        func check(_ x: Vector) {
            let y = erf(x)
            for lane in 0..<8 where !x[lane].isNaN {
                worst.meet(abs(Double(y[lane]) - Glibc.erf(Double(x[lane]))), at: x[lane])
            }
        }
        sweep(stride: 1021, check)
        ramp(-5, 5, count: 4_000_000, check)
        #expect(worst.error < 1.3e-7, "at \(worst.at)")
    }

    @Test("erf keeps its relative precision near zero, denormals included") func erfSmall() {
        var worst = Worst()
        sweep(stride: 4093) { x in
            let y = erf(x)
            for lane in 0..<8 where abs(x[lane]) < 0.5 {
                worst.meet(y[lane], Glibc.erf(Double(x[lane])), at: x[lane])
            }
        }
        #expect(worst.error <= 3, "at \(worst.at)")
    }

    @Test("erf is odd to the bit, and never beyond one") func erfOdd() {
        var broken: [Float] = []
        sweep(stride: 2039) { x in
            let (y, mirrored) = (erf(x), erf(-x))
            for lane in 0..<8 {
                let good = x[lane].isNaN ? y[lane].isNaN : y[lane] == -mirrored[lane] && abs(y[lane]) <= 1
                if !good { broken.append(x[lane]) }
            }
        }
        #expect(broken.isEmpty, "\(broken.prefix(5))")
        #expect(scalar(erf, .infinity) == 1)
        #expect(scalar(erf, -.infinity) == -1)
        #expect(scalar(erf, 0) == 0)
        #expect(scalar(erf, -0.0) == 0)
        #expect(scalar(erf, .nan).isNaN)
    }

    @Test("GELU's error stays below 2.1e-7 times the larger of ½ and |x|") func geluError() {
        var worst = Worst()
        func check(_ x: Vector) {
            let y = gelu(x)
            for lane in 0..<8 where x[lane].isFinite {
                let truth = 0.5 * Double(x[lane]) * Glibc.erfc(-Double(x[lane]) * 0.5.squareRoot())
                worst.meet(abs(Double(y[lane]) - truth) / max(0.5, abs(Double(x[lane]))), at: x[lane])
            }
        }
        sweep(stride: 1021, check)
        ramp(-8, 8, count: 4_000_000, check)
        #expect(worst.error < 2.1e-7, "at \(worst.at)")
    }

    @Test("GELU passes large positive numbers through and stops large negative ones") func geluFarOut() {
        for x: Float in [5.7, 6, 7.5, 100, 1e10, 1e30, .greatestFiniteMagnitude] {
            #expect(scalar(gelu, x) == x)
            #expect(scalar(gelu, -x) == 0)
        }
        #expect(scalar(gelu, 0) == 0)
        #expect(scalar(gelu, .nan).isNaN)
        #expect(scalar(gelu, .infinity) == .infinity)
        // 0 · ∞, as in PyTorch.
        #expect(scalar(gelu, -.infinity).isNaN)
    }

    @Test("the natural logarithm has a relative error below 1e-12 over the normal doubles") func logarithm() {
        var worst = Worst()
        var pattern: UInt64 = 0x0010_0000_0000_0000
        while pattern < 0x7FF0_0000_0000_0000 {
            let x = Double(bitPattern: pattern)
            let truth = Glibc.log(x)
            worst.meet(abs(naturalLogarithm(x) - truth) / max(abs(truth), 1e-300), at: Float(x))
            pattern += 0x0000_0D3F_1234_5677
        }
        for step in -2000...2000 where step != 0 {
            let x = 1 + Double(step) * 1e-4
            worst.meet(abs(naturalLogarithm(x) - Glibc.log(x)) / abs(Glibc.log(x)), at: Float(x))
        }
        #expect(worst.error < 1e-12, "at \(worst.at)")
        #expect(naturalLogarithm(1) == 0)
        #expect(naturalLogarithm(.leastNormalMagnitude) < -708)
        #expect(naturalLogarithm(.greatestFiniteMagnitude) < 709.8)
    }
}
