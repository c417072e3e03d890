// Drains jobs that do nothing through pg-boss: batches fetched and completed by loops of one process.
//
//     node pg-boss.mjs URL JOBS     prints jobs per second
import PgBoss from "pg-boss";
import pg from "pg";

const [url, count] = [process.argv[2], Number(process.argv[3])];
const LOOPS = 4;
const BATCH = 500;
const boss = new PgBoss({ connectionString: url, max: LOOPS + 2, supervise: false, schedule: false });
boss.on("error", (error) => console.error(error));
await boss.start();
await boss.createQueue("nothing");
for (let from = 0; from < count; from += 10000) {
  const jobs = Math.min(10000, count - from);
  await boss.insert("nothing", Array.from({ length: jobs }, () => ({ data: {} })));
}
const pool = new pg.Pool({ connectionString: url, max: 1 });
await pool.query("VACUUM (ANALYZE)");
await pool.query("CHECKPOINT");

const begun = process.hrtime.bigint();
const loop = async () => {
  for (;;) {
    const jobs = await boss.fetch("nothing", { batchSize: BATCH });
    if (jobs.length === 0) return;
    await boss.complete("nothing", jobs.map((job) => job.id));
  }
};
await Promise.all(Array.from({ length: LOOPS }, loop));
const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
await pool.end();
await boss.stop({ graceful: false });
console.log(`rate ${count / seconds}`);
process.exit(0);
