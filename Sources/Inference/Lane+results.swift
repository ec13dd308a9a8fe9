import Kernels
import Recurrent
import Sessions

/// Rows in and results out.
extension Lane {
    /// Appends a work's rows to the workspace's batch.
    func append(_ run: BatchBuilder.Run) {
        let operation = run.operation
        guard operation.remaining > 0 else { return workspace.append(token: operation.nextToken!, to: operation.slot) }
        let range = operation.consumed..<operation.consumed + run.count
        switch operation.work.input {
        case .tokens(let tokens):
            for index in range { workspace.append(token: tokens[index], to: operation.slot) }
        case .vectors(let values, _):
            let size = served.model.configuration.inputSize
            for index in range {
                workspace.append(vector: values, index * size..<(index + 1) * size, to: operation.slot)
            }
        }
        if operation.work.scan == .associative { workspace.useAssociativeScan(firstStep: operation.step) }
    }

    /// Computes the outputs that anybody wants of this batch and hands them out.
    func takeOutputs() {
        wantedRows.removeAll(keepingCapacity: true)
        var first = 0
        for run in batch.runs {
            let operation = run.operation
            for offset in 0..<run.count {
                // Each row for itself: a later row would hide it, or not, depending on where the batch was cut.
                if operation.failure == nil, !workspace.isFinite(row: first + offset) {
                    operation.failure = .nonFinite(step: operation.step + offset)
                }
                if operation.work.wantsOutput(after: operation.consumed + offset) { wantedRows.append(first + offset) }
            }
            first += run.count
        }
        served.model.outputs(workspace, rows: wantedRows)
        var row = 0
        for run in batch.runs {
            for offset in 0..<run.count where run.operation.work.wantsOutput(after: run.operation.consumed + offset) {
                takeOutput(run.operation, offset, row)
                row += 1
            }
        }
    }

    /// Takes what `row` of the outputs has for the `offset`th input that the operation has absorbed in this batch.
    private func takeOutput(_ operation: Operation, _ offset: Int, _ row: Int) {
        let (work, outputs) = (operation.work, workspace.outputs)
        let (step, input) = (operation.step + offset, operation.consumed + offset)
        guard outputs.isFinite(row) else {
            if case .nonFinite(let earlier)? = operation.failure, earlier <= step { return }
            operation.failure = .nonFinite(step: step)
            return
        }
        guard operation.failure == nil else { return }
        let isLast = input >= work.input.count - 1
        if work.score, !isLast, case .tokens(let tokens) = work.input { score(operation, tokens[input + 1], row) }
        if work.generation != nil {
            if isLast { operation.logits = outputs.values(row) }
        } else if work.outputs == .all || work.outputs == .last && isLast {
            outputs.append(row, 0..<outputs.columns, to: &operation.outputs)
        }
    }

    func score(_ operation: Operation, _ token: Int, _ row: Int) {
        operation.score.logprob += Double(workspace.outputs[row, token] - workspace.outputs.logSumExp(row))
        operation.score.steps += 1
        if let count = operation.work.logprobs {
            operation.scored.append(ScoredToken(token, after: workspace.outputs.values(row)[...], count: count))
        }
    }

    /// Moves an operation on by the rows that its state has absorbed, and ends it when it is done.
    func conclude(_ run: BatchBuilder.Run, at now: Int64) {
        let operation = run.operation
        if operation.failure == nil, !workspace.states.isFinite(operation.slot) {
            operation.failure = .nonFinite(step: operation.step)
        }
        if let failure = operation.failure { return end(operation, .failure(failure)) }
        operation.step += run.count
        if operation.remaining > 0 {
            operation.consumed += run.count
            keepPrefix(operation)
            guard operation.remaining == 0 else { return }
        } else if let token = operation.nextToken {
            operation.absorbedToken = token
        }
        settle(operation, at: now)
    }

    /// Does what is to be done when the state has moved: as a whole, or by one token.
    func settle(_ operation: Operation, at now: Int64) {
        // A stream reports a step only when the session stands at it; before its first token it has moved nothing, so that
        // it can still be refused as a whole.
        if operation.stream != nil, operation.absorbedToken != nil, !commit(operation) { return }
        if let token = operation.absorbedToken {
            operation.absorbedToken = nil
            send(operation.generator!.accept(token, step: operation.step, operation.nextScore), of: operation)
        }
        if operation.generator != nil, operation.generator!.finish == nil {
            operation.draw(operation.logits)
            return
        }
        if operation.stream != nil || commit(operation) { succeed(operation, at: now) }
    }

    private func send(_ event: GenerationEvent, of operation: Operation) {
        guard let stream = operation.stream else { return }
        let version = operation.session?.stateVersion ?? 0
        guard operation.commit > 0, let store = sessions.store else { return stream.send(event, version: version) }
        stream.expect()
        store.whenDurable(operation.commit) { error in
            if let error { stream.fail(.session(.store(error))) }
            stream.sendExpected(event, version: version)
        }
    }
}

extension Work {
    /// Whether anybody wants the output after the input of that index, or after a generated token.
    func wantsOutput(after input: Int) -> Bool {
        let isLast = input >= self.input.count - 1
        return outputs == .all || score && !isLast || isLast && (outputs == .last || generation != nil)
    }
}
