-- Bulk actions: a step with every payout that a filter matches, which workers take in pages. Actions and their outcomes
-- stay, as the record of what was done.

CREATE TABLE bulk_actions (
    id           uuid        NOT NULL,
    step         text COLLATE "C" NOT NULL,
    -- The query of the list, parsed again whenever the action goes on.
    filter       text COLLATE "C" NOT NULL,
    -- The name of the API key that started it, and its id. Absent in a service without API keys.
    started_by   text COLLATE "C" NOT NULL,
    api_key      uuid,
    reason       text,
    -- The time of the count that was confirmed. Later payouts are no part of the action.
    counted_at   timestamptz NOT NULL,
    matched      bigint      NOT NULL,
    created_at   timestamptz NOT NULL,
    state        text COLLATE "C" NOT NULL DEFAULT 'running',
    stopped_why  text,
    ended_at     timestamptz,
    -- The last payout that was planned.
    place_at     timestamptz,
    place_id     uuid,
    planned      bigint      NOT NULL DEFAULT 0,
    changed      bigint      NOT NULL DEFAULT 0,
    refused      bigint      NOT NULL DEFAULT 0,
    -- The lease. Every takeover increases the fence.
    fence        bigint      NOT NULL DEFAULT 0,
    held_by      text COLLATE "C",
    leased_until timestamptz,
    leased_at    timestamptz,

    CONSTRAINT bulk_actions_pkey PRIMARY KEY (id),
    CONSTRAINT bulk_actions_step_is_known CHECK (step IN ('approve', 'reject', 'cancel', 'retry')),
    CONSTRAINT bulk_actions_state_is_known CHECK (state IN ('running', 'stopped', 'finished')),
    CONSTRAINT bulk_actions_reason_if_stopped CHECK ((state = 'stopped') = (stopped_why IS NOT NULL)),
    CONSTRAINT bulk_actions_time_if_ended CHECK ((state = 'running') = (ended_at IS NULL)),
    CONSTRAINT bulk_actions_whole_place CHECK ((place_at IS NULL) = (place_id IS NULL)),
    CONSTRAINT bulk_actions_counts_fit CHECK (changed >= 0 AND refused >= 0 AND planned >= changed + refused),
    CONSTRAINT bulk_actions_finished_whole CHECK (state <> 'finished' OR planned = changed + refused)
);

-- Those that a worker must still look at.
CREATE INDEX bulk_actions_open ON bulk_actions (leased_at) WHERE state = 'running' OR planned > changed + refused;

CREATE TABLE bulk_outcomes (
    action_id  uuid   NOT NULL,
    -- The number of the payout within its action, from 1.
    number     bigint NOT NULL,
    payout_id  uuid   NOT NULL,
    -- The version at which it may be changed.
    version    bigint NOT NULL,
    result     text COLLATE "C" NOT NULL DEFAULT 'planned',
    refused    text,

    CONSTRAINT bulk_outcomes_pkey PRIMARY KEY (action_id, number),
    CONSTRAINT bulk_outcomes_result_is_known CHECK (result IN ('planned', 'changed', 'refused')),
    CONSTRAINT bulk_outcomes_reason_if_refused CHECK ((result = 'refused') = (refused IS NOT NULL))
);

CREATE INDEX bulk_outcomes_planned ON bulk_outcomes (action_id, number) WHERE result = 'planned';
CREATE INDEX bulk_outcomes_refused ON bulk_outcomes (action_id, number) WHERE result = 'refused';
