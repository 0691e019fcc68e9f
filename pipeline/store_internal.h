/* What the files of the store share. Nothing outside pipeline/store*.c includes this. */
#ifndef CLADE_PIPELINE_STORE_INTERNAL_H
#define CLADE_PIPELINE_STORE_INTERNAL_H

#include <sqlite3.h>

#include "pipeline/database.h"
#include "pipeline/store.h"

/* X(name, SQL): prepared once, when a store is opened. */
#define STORE_STATEMENTS(X)                                                                        \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    X(COMMIT, "COMMIT")                                                                            \
    X(ROLLBACK, "ROLLBACK")                                                                        \
    X(ADD_RUN,                                                                                     \
      "INSERT INTO run (name, created_utc_us, height, width, channels, classes, "                  \
      "training_images, data_check, settings, pixel_mean, pixel_std) VALUES (?1, ?2, ?3, "         \
      "?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")                                                         \
    X(READ_RUN, "SELECT name, created_utc_us, height, width, channels, classes, "                  \
                "training_images, data_check, settings, pixel_mean, pixel_std, deadline_utc_us, "  \
                "search_deadline_utc_us, search_ended_utc_us FROM run")                            \
    X(SET_DEADLINES, "UPDATE run SET deadline_utc_us = ?1, search_deadline_utc_us = ?2")           \
    X(END_SEARCH, "UPDATE run SET search_ended_utc_us = ?1 WHERE search_ended_utc_us = 0")         \
    X(STOP_JOBS, "UPDATE jobs SET status = 'stopped' WHERE kind = ?1 AND status = 'queued'")       \
    X(READ_PACE, "SELECT w.device, c.macs, 1.0 * j.epochs * a.train_images, t.seconds, "           \
                 "a.duration_s - t.seconds FROM attempts a JOIN (SELECT job, attempt, "            \
                 "CASE count(*) WHEN 1 THEN sum(seconds) ELSE sum(CASE epoch WHEN 1 THEN 0 ELSE "  \
                 "seconds END) * count(*) / (count(*) - 1) END AS seconds FROM epochs "            \
                 "GROUP BY job, attempt) t ON t.job = a.job AND t.attempt = a.attempt "            \
                 "JOIN jobs j ON j.id = a.job JOIN candidates c ON c.id = j.candidate "            \
                 "JOIN workers w ON w.id = a.worker WHERE a.status = 'done' "                      \
                 "UNION ALL SELECT w.device, c.macs, e.seconds * e.images_per_s, e.seconds, NULL " \
                 "FROM epochs e JOIN attempts a ON a.job = e.job AND a.attempt = e.attempt JOIN "  \
                 "jobs j ON j.id = a.job JOIN candidates c ON c.id = j.candidate JOIN workers w "  \
                 "ON w.id = a.worker WHERE a.status = 'running' AND e.epoch > 1")                  \
    X(ADD_CANDIDATE,                                                                               \
      "INSERT INTO candidates (id, generation, genome, operator, parent, "                         \
      "parameters, macs, activations, redraws, earlier, earlier_mean, earlier_deviation, rung) "   \
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)")                           \
    X(ADD_JOB,                                                                                     \
      "INSERT INTO jobs (kind, candidate, replicate, epochs, train_images, seed, status, "         \
      "attempts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'queued', 0)")                                    \
    X(ADD_JOB_ONCE, "INSERT INTO jobs (kind, candidate, replicate, epochs, train_images, seed, "   \
                    "status, attempts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'queued', 0) "              \
                    "ON CONFLICT (kind, candidate, replicate) DO NOTHING")                         \
    X(NEXT_JOB, "SELECT j.id, j.kind, j.candidate, j.replicate, j.attempts + 1, c.genome, "        \
                "j.epochs, j.train_images, j.seed, c.rung, c.operator, c.parent FROM jobs j "      \
                "JOIN candidates c ON c.id = j.candidate WHERE j.status = 'queued' AND "           \
                "EXISTS (SELECT 1 FROM workers WHERE id = ?1 AND ended_utc_us IS NULL) "           \
                "ORDER BY j.id")                                                                   \
    X(SHARE_OF_QUEUE, "SELECT (SELECT count(*) FROM jobs WHERE status = 'queued'), "               \
                      "(SELECT count(*) FROM workers WHERE ended_utc_us IS NULL)")                 \
    X(COUNT_HELD, "SELECT count(*) FROM attempts WHERE worker = ?1 AND status = 'running'")        \
    X(TAKE_JOB, "UPDATE jobs SET status = 'running', attempts = attempts + 1 "                     \
                "WHERE id = ?1 AND status = 'queued'")                                             \
    X(ADD_ATTEMPT, "INSERT INTO attempts (job, attempt, worker, status, guilty, started_utc_us) "  \
                   "VALUES (?1, ?2, ?3, 'running', 0, ?4)")                                        \
    X(ADD_EPOCH, "INSERT INTO epochs (job, attempt, epoch, train_loss, train_accuracy, seconds, "  \
                 "images_per_s) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE EXISTS (SELECT 1 FROM "    \
                 "attempts WHERE job = ?1 AND attempt = ?2 AND worker = ?8 AND "                   \
                 "status = 'running')")                                                            \
    X(END_ATTEMPT, "UPDATE attempts SET status = ?4, message = ?5, duration_s = ?6, "              \
                   "train_images = ?7, train_loss = ?8, validation_loss = ?9, "                    \
                   "validation_accuracy = ?10, images_per_s = ?11, gflops = ?12 WHERE job = ?1 "   \
                   "AND attempt = ?2 AND worker = ?3 AND status = 'running'")                      \
    X(END_JOB, "UPDATE jobs SET status = ?2 WHERE id = ?1 AND status = 'running'")                 \
    X(ADD_TEST_JOBS, "INSERT INTO jobs (kind, candidate, replicate, epochs, train_images, seed, "  \
                     "status, attempts) SELECT 3, candidate, replicate, 0, 0, seed, 'queued', 0 "  \
                     "FROM jobs WHERE kind = 1 AND status = 'done' ORDER BY id "                   \
                     "ON CONFLICT (kind, candidate, replicate) DO NOTHING")                        \
    X(ADD_WEIGHTS, "INSERT INTO weights (job, parameters) VALUES (?1, ?2)")                        \
    X(ADD_TEST, "INSERT INTO tests (job, test_loss, test_accuracy, classes, predictions, "         \
                "confusion, miss_pixels, labels) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")         \
    X(ADD_MISS, "INSERT INTO misses (job, place, image, label, predicted, probability) "           \
                "VALUES (?1, ?2, ?3, ?4, ?5, ?6)")                                                 \
    X(ADD_STATE, "INSERT INTO states (job, parameters) VALUES (?1, ?2)")                           \
    X(READ_STATE,                                                                                  \
      "SELECT s.parameters FROM states s JOIN jobs j ON j.id = s.job WHERE j.kind IN (0, 2) "      \
      "AND j.candidate = ?1")                                                                      \
    X(DROP_STATE, "DELETE FROM states WHERE job IN (SELECT id FROM jobs WHERE kind IN (0, 2) AND " \
                  "candidate = ?1)")                                                               \
    X(DROP_STATES, "DELETE FROM states WHERE job IN (SELECT id FROM jobs WHERE kind IN (0, 2) "    \
                   "AND candidate BETWEEN ?1 AND ?2)")                                             \
    X(HELD_JOB, "SELECT job, attempt, started_utc_us FROM attempts WHERE worker = ?1 AND "         \
                "status = 'running' ORDER BY job")                                                 \
    X(LOSE_ATTEMPT, "UPDATE attempts SET status = ?3, guilty = ?4, message = ?5, "                 \
                    "duration_s = ?6 WHERE job = ?1 AND attempt = ?2 AND status = 'running'")      \
    X(COUNT_GUILTY, "SELECT count(*) FROM attempts WHERE job = ?1 AND guilty = 1")                 \
    X(CLOSE_WORKER, "UPDATE workers SET ended_utc_us = ?2, ending = ?3 WHERE id = ?1 AND "         \
                    "ended_utc_us IS NULL")                                                        \
    X(OPEN_WORKERS, "SELECT id FROM workers WHERE ended_utc_us IS NULL ORDER BY id")               \
    X(COUNT_JOBS, "SELECT status, count(*) FROM jobs WHERE kind = ?1 GROUP BY status")             \
    X(READ_CANDIDATES,                                                                             \
      "SELECT c.id, c.generation, j.attempts, j.status, c.genome, c.operator, "                    \
      "c.parent, c.parameters, c.macs, c.activations, j.epochs, "                                  \
      "coalesce(a.train_images, j.train_images), j.seed, a.train_loss, "                           \
      "a.validation_loss, a.validation_accuracy, a.images_per_s, w.device, "                       \
      "a.worker, a.started_utc_us, a.duration_s, c.redraws, c.earlier, "                           \
      "c.earlier_mean, c.earlier_deviation, c.rung FROM candidates c JOIN jobs j "                 \
      "ON j.candidate = c.id AND j.kind IN (0, 2) "                                                \
      "LEFT JOIN attempts a ON a.job = j.id AND a.attempt = j.attempts "                           \
      "LEFT JOIN workers w ON w.id = a.worker "                                                    \
      "WHERE c.id BETWEEN ?1 AND ?2 ORDER BY c.id")                                                \
    X(READ_ATTEMPTS, "SELECT c.id, c.generation, a.attempt, a.status, c.genome, c.operator, "      \
                     "c.parent, c.parameters, c.macs, c.activations, j.epochs, "                   \
                     "coalesce(a.train_images, j.train_images), j.seed, a.train_loss, "            \
                     "a.validation_loss, a.validation_accuracy, a.images_per_s, w.device, "        \
                     "a.worker, a.started_utc_us, a.duration_s, c.redraws, c.earlier, "            \
                     "c.earlier_mean, c.earlier_deviation, c.rung FROM candidates c JOIN jobs j "  \
                     "ON j.candidate = c.id AND j.kind IN (0, 2) "                                 \
                     "JOIN attempts a ON a.job = j.id JOIN workers w ON w.id = a.worker "          \
                     "WHERE a.status <> 'running' AND c.id BETWEEN ?1 AND ?2 "                     \
                     "ORDER BY c.id, a.attempt")                                                   \
    X(READ_CONFIRMATIONS,                                                                          \
      "SELECT c.id, j.replicate, j.seed, c.genome, j.epochs, a.train_images, a.train_loss, "       \
      "a.validation_loss, a.validation_accuracy, t.test_loss, t.test_accuracy, a.images_per_s, "   \
      "a.duration_s, t.classes, t.predictions, t.confusion, w.device, a.worker, "                  \
      "a.started_utc_us, t.miss_pixels, t.labels "                                                 \
      "FROM jobs j JOIN candidates c ON c.id = j.candidate JOIN attempts a ON a.job = j.id AND "   \
      "a.attempt = j.attempts JOIN workers w ON w.id = a.worker LEFT JOIN jobs k ON k.kind = 3 "   \
      "AND k.candidate = j.candidate AND k.replicate = j.replicate LEFT JOIN tests t ON t.job = "  \
      "k.id WHERE j.kind = 1 AND j.status = 'done' ORDER BY j.id")                                 \
    X(READ_WEIGHTS, "SELECT w.parameters FROM weights w JOIN jobs j ON j.id = w.job "              \
                    "WHERE j.kind = 1 AND j.candidate = ?1 AND j.replicate = ?2")                  \
    X(READ_MISSES, "SELECT m.image, m.label, m.predicted, m.probability FROM misses m "            \
                   "JOIN jobs j ON j.id = m.job WHERE j.kind = 3 AND j.candidate = ?1 "            \
                   "AND j.replicate = ?2 ORDER BY m.place")                                        \
    X(READ_EPOCHS, "SELECT epoch, train_loss, train_accuracy, seconds, images_per_s FROM epochs "  \
                   "WHERE job = ?1 AND attempt = ?2 ORDER BY epoch")                               \
    X(READ_CURVES, "SELECT j.kind, j.candidate, j.replicate, e.attempt, e.epoch, e.train_loss, "   \
                   "e.train_accuracy, e.seconds, e.images_per_s FROM epochs e JOIN jobs j "        \
                   "ON j.id = e.job JOIN attempts a ON a.job = e.job AND a.attempt = e.attempt "   \
                   "WHERE a.status <> 'running' AND j.kind <> 2 "                                  \
                   "ORDER BY e.job, e.attempt, e.epoch")                                           \
    X(ADD_WORKER, "INSERT INTO workers (slot, device, started_utc_us, platform, "                  \
                  "platform_version, driver_version, device_version) VALUES (?1, ?2, ?3, ?4, ?5, " \
                  "?6, ?7)")                                                                       \
    X(READ_VERSIONS, "SELECT device, platform, platform_version, driver_version, device_version "  \
                     "FROM workers GROUP BY 1, 2, 3, 4, 5 ORDER BY min(id)")                       \
    X(READ_WORKERS, "SELECT w.id, w.slot, w.device, w.started_utc_us, w.ended_utc_us, w.ending, "  \
                    "(SELECT count(*) FROM attempts a WHERE a.worker = w.id AND a.status IN "      \
                    "('done', 'diverged', 'too_big', 'timeout')) FROM workers w ORDER BY w.id")    \
    X(ADD_TUNING, "INSERT INTO tunings (key, text) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING")  \
    X(READ_TUNING, "SELECT text FROM tunings WHERE key = ?1")                                      \
    X(ADD_EVENT, "INSERT INTO events (utc_us, level, text) VALUES (?1, ?2, ?3)")

enum statement {
#define X(name, sql) STATEMENT_##name,
    STORE_STATEMENTS(X)
#undef X
        STATEMENT_COUNT
};

struct store {
    struct database file;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    sqlite3_stmt *current; /* what store_use() chose */
    int bind_code;         /* the first failed bind since then */
};

/*
 * One statement at a time: store_use() chooses it, reset and without bindings; store_bind_*()
 * bind its parameters (from 1); store_step() runs it to its next row; store_column_*() read that
 * row (columns from 0). A statement that was stepped to its end, or the next store_use(), holds
 * no read transaction.
 */
void store_use(struct store *store, enum statement statement);

/* A failed bind is reported by store_step(). NAN and a NULL text become NULL. Texts and blobs
   must stay as they are until the statement ran. */
void store_bind_int(struct store *store, int index, int64_t value);
void store_bind_double(struct store *store, int index, double value);
void store_bind_text(struct store *store, int index, const char *text);
void store_bind_blob(struct store *store, int index, const void *data, size_t size);

enum error store_step(bool *row, struct store *store, const char *act);

/* Runs a bound statement that gives no rows; *changes (may be NULL) is the number of rows. */
enum error store_execute(int *changes, struct store *store, const char *act);

/* NULL becomes 0, NAN or "". */
int64_t store_column_int(const struct store *store, int column);
double store_column_double(const struct store *store, int column);
void store_column_text(char *out, size_t size, const struct store *store, int column);

/* ERR_DATA for a word that is none. */
enum error store_column_status(enum candidate_status *status, const struct store *store,
                               int column);
enum error store_column_genome(struct genome *genome, const struct store *store, int column);

/* Whether the following transactions are on the disk when they return. Not inside one. */
enum error store_set_durable(struct store *store, bool durable);

enum error store_begin(struct store *store);

/* Ends the transaction: commits when `err` is ERR_NONE, else rolls back and returns `err`. */
enum error store_end(struct store *store, enum error err);

/* Takes a running job to its next state, inside a transaction. */
enum error store_end_job(struct store *store, int64_t job, enum candidate_status status);

#endif
