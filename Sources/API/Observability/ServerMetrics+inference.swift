import Inference
import Metrics
import Sessions

/// What the scheduler and the table of sessions tell.
extension ServerMetrics {
    static func write(_ scheduler: SchedulerStatistics, to text: inout Exposition) {
        text.metric("scanstep_queue_works", .gauge, "Works under way or waiting.", scheduler.works)
        text.metric("scanstep_queue_input_bytes", .gauge, "Bytes of their inputs.", scheduler.inputBytes)
        text.metric(
            "scanstep_workspace_bytes", .gauge, "Bytes that models compute in; none while they rest.",
            scheduler.workspaceBytes)
        text.metric(
            "scanstep_works_refused_total", .counter, "Works refused because others were to be done first.",
            scheduler.refused)
        text.metric("scanstep_queue_seconds", .histogram, "Time from a work's arrival until it was begun.")
        text.samples("scanstep_queue_seconds", [:], scheduler.queueSeconds)
        text.metric("scanstep_batch_rows", .histogram, "Rows of each batch.")
        text.samples("scanstep_batch_rows", [:], scheduler.batchRows)
        text.metric("scanstep_steps_total", .counter, "Inputs absorbed, by the kind of their rows in a batch.")
        text.sample("scanstep_steps_total", ["kind": "step"], scheduler.stepRows)
        text.sample("scanstep_steps_total", ["kind": "prefill"], scheduler.prefillRows)
        text.metric(
            "scanstep_cached_steps_total", .counter, "Inputs that needed not be absorbed.", scheduler.cachedSteps)
        text.metric("scanstep_generated_tokens_total", .counter, "Tokens generated.", scheduler.generatedTokens)
    }

    static func write(_ sessions: SessionStatistics, to text: inout Exposition) {
        text.metric("scanstep_sessions", .gauge, "Sessions, by where their states are.")
        text.sample("scanstep_sessions", ["tier": "memory"], sessions.inMemory)
        text.sample("scanstep_sessions", ["tier": "disk"], sessions.onDisk)
        text.metric("scanstep_session_bytes", .gauge, "Bytes taken of the memory for sessions.", sessions.usedBytes)
        text.metric("scanstep_session_limit_bytes", .gauge, "Bytes of memory for sessions.", sessions.budget)
        text.metric(
            "scanstep_store_queue_bytes", .gauge, "Bytes of changes of sessions that wait to be written to disk.",
            sessions.storeQueueBytes)
        text.metric("scanstep_sessions_ended_total", .counter, "Sessions that have ended, by what became of them.")
        for reason in SessionError.GoneReason.allCases {
            text.sample("scanstep_sessions_ended_total", ["reason": reason.rawValue], sessions.ended[reason] ?? 0)
        }
        text.metric("scanstep_prefix_lookups_total", .counter, "Looks for kept states of prompts.")
        text.sample("scanstep_prefix_lookups_total", ["outcome": "hit"], sessions.prefixHits)
        text.sample("scanstep_prefix_lookups_total", ["outcome": "miss"], sessions.prefixMisses)
    }
}
