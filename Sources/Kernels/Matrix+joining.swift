import Threading

/// How the branches of a block come back to the residual stream. Every member of a team calls these.
extension Matrix {
    /// y ← y + x for the first `rows` rows of equal width: a residual connection.
    public func add(_ x: Matrix, rows: Int, by member: borrowing Team.Member) {
        join(x, rows, member) { y, x, _ in y + x }
    }

    /// y ← x: a block without a residual connection.
    public func take(_ x: Matrix, rows: Int, by member: borrowing Team.Member) {
        join(x, rows, member) { _, x, _ in x }
    }

    /// y ← y + gate·(x − y): a highway connection.
    public func mix(_ x: Matrix, gate: Matrix, rows: Int, by member: borrowing Team.Member) {
        precondition(gate.columns == columns && rows <= gate.rows)
        join(x, rows, member) { y, x, offset in
            let gate = unsafe load(UnsafePointer(gate.base) + offset.row * gate.stride + offset.column)
            return y.addingProduct(gate, x - y)
        }
    }

    @inline(__always)
    private func join(
        _ x: Matrix, _ rows: Int, _ member: borrowing Team.Member,
        _ combine: (_ y: Vector, _ x: Vector, _ at: (row: Int, column: Int)) -> Vector
    ) {
        precondition(x.columns == columns && rows <= x.rows && rows <= self.rows)
        member.share(rows, by: 16) { row in
            let from = unsafe UnsafePointer(x.base + row * x.stride)
            let to = unsafe base + row * stride
            for column in Swift.stride(from: 0, to: columns, by: 8) {
                unsafe store(combine(load(to + column), load(from + column), (row, column)), to + column)
            }
        }
        member.barrier()
    }
}
