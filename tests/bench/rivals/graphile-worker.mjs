// Drains jobs that do nothing, as fast as one graphile-worker process does: a local queue, completions in batches.
//
//     node graphile-worker.mjs URL JOBS     prints jobs per second
import { run, makeWorkerUtils } from "graphile-worker";
import pg from "pg";

const [url, count] = [process.argv[2], Number(process.argv[3])];
const pool = new pg.Pool({ connectionString: url, max: 12 });
pool.on("error", () => {});

const utils = await makeWorkerUtils({ pgPool: pool });
await utils.migrate();
await utils.release();
for (let from = 0; from < count; from += 10000) {
  const jobs = Math.min(10000, count - from);
  await pool.query(
    `SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
       SELECT ROW('nothing', '{}'::json, NULL, NULL, NULL, NULL, NULL, NULL)::graphile_worker.job_spec
       FROM generate_series(1, $1)))`,
    [jobs],
  );
}
await pool.query("VACUUM (ANALYZE) graphile_worker._private_jobs");
await pool.query("CHECKPOINT");

const begun = process.hrtime.bigint();
const runner = await run({
  pgPool: pool,
  noHandleSignals: true,
  taskList: { nothing: async () => {} },
  preset: {
    worker: {
      concurrentJobs: 24,
      maxPoolSize: 12,
      pollInterval: 2000,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  },
  logger: undefined,
});
for (;;) {
  const left = await pool.query("SELECT FROM graphile_worker._private_jobs LIMIT 1");
  if (left.rowCount === 0) break;
  await new Promise((resolve) => setTimeout(resolve, 20));
}
const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
await runner.stop();
await pool.end();
console.log(`rate ${count / seconds}`);
process.exit(0);
