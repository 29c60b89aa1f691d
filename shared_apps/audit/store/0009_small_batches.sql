-- A plan for this call's arrays was no better than one for any, and took longer than the adding of few entries:
-- of three entries more than half of the time.
ALTER FUNCTION audit.append(uuid, uuid[], timestamptz[], text[], text[], text[], text[], text[], text[], text[],
    text[], text[], text[], text[]) SET plan_cache_mode = force_generic_plan;
