import CTile

/// One tile of `rows` × `panels`, of the sizes that `Panels.multiply` asks for.
func multiplyRows(
    _ width: TileWidth, _ type: WeightType, _ vectors: Int, rows: Int, panels: Int, _ operands: TileOperands
) {
    if width == .sixteen {
        var wide = unsafe ctile_operands(operands)
        let registers = Int32(width.registers(vectors))
        return unsafe ctile_multiply(type.tiled, registers, Int32(rows), Int32(panels), &wide)
    }
    switch (type, vectors) {
    case (.f32, 2): unsafe multiplyRows(PanelShape<Float, 2>.self, rows, panels, operands)
    case (.f32, 3): unsafe multiplyRows(PanelShape<Float, 3>.self, rows, panels, operands)
    case (.f32, _): unsafe multiplyRows(PanelShape<Float, 4>.self, rows, panels, operands)
    case (.f16, 2): unsafe multiplyRows(PanelShape<Float16, 2>.self, rows, panels, operands)
    case (.f16, 3): unsafe multiplyRows(PanelShape<Float16, 3>.self, rows, panels, operands)
    case (.f16, _): unsafe multiplyRows(PanelShape<Float16, 4>.self, rows, panels, operands)
    case (.int8, 2): unsafe multiplyRows(PanelShape<Int8, 2>.self, rows, panels, operands)
    case (.int8, 3): unsafe multiplyRows(PanelShape<Int8, 3>.self, rows, panels, operands)
    case (.int8, _): unsafe multiplyRows(PanelShape<Int8, 4>.self, rows, panels, operands)
    }
}

@inline(never)
private func multiplyRows<W: PackedWeight, let vectors: Int>(
    _ shape: PanelShape<W, vectors>.Type, _ rows: Int, _ panels: Int, _ operands: TileOperands
) {
    switch (rows, panels) {
    case (1, 4): unsafe multiplyTile(TileShape<W, 1, 4, vectors>.self, operands)
    case (1, 3): unsafe multiplyTile(TileShape<W, 1, 3, vectors>.self, operands)
    case (1, _): unsafe multiplyTile(TileShape<W, 1, 1, vectors>.self, operands)
    case (2, 2): unsafe multiplyTile(TileShape<W, 2, 2, vectors>.self, operands)
    case (2, _): unsafe multiplyTile(TileShape<W, 2, 1, vectors>.self, operands)
    case (3, _): unsafe multiplyTile(TileShape<W, 3, 1, vectors>.self, operands)
    case (4, _): unsafe multiplyTile(TileShape<W, 4, 1, vectors>.self, operands)
    case (5, _): unsafe multiplyTile(TileShape<W, 5, 1, vectors>.self, operands)
    default: unsafe multiplyTile(TileShape<W, 6, 1, vectors>.self, operands)
    }
}

/// Names what a panel is made of at compile time.
private enum PanelShape<W: PackedWeight, let vectors: Int> {}

extension ctile_operands {
    init(_ operands: TileOperands) {
        unsafe self.init(
            x: operands.x, x_stride: operands.xStride, weights: operands.weights, panel_bytes: operands.panelBytes,
            count: operands.count, tile: UnsafeMutableRawPointer(operands.tile).assumingMemoryBound(to: Float.self),
            continues: operands.continues, prefetch: operands.prefetch,
            next: operands.next.assumingMemoryBound(to: CChar.self), next_bytes: operands.nextBytes)
    }
}

extension WeightType {
    fileprivate var tiled: ctile_weight {
        switch self {
        case .f32: ctile_f32
        case .f16: ctile_f16
        case .int8: ctile_int8
        }
    }
}
