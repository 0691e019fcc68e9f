/* The tables of the store. Raise STORE_VERSION with every change. */
#ifndef CLADE_PIPELINE_STORE_SCHEMA_H
#define CLADE_PIPELINE_STORE_SCHEMA_H

enum {
    STORE_APPLICATION = 0x434c4144, /* "CLAD", PRAGMA application_id */
    STORE_VERSION = 12              /* PRAGMA user_version */
};

/* Status columns hold the words of CANDIDATE_STATUS_TABLE; seeds are the 64 bits of an unsigned
   number in a signed column; blobs are arrays in the byte order of the machine: predictions and
   labels uint8 [images], confusion uint32 [classes][classes], parameters float, miss_pixels uint8
   [place] and the pixels of an image. */
#define STORE_SCHEMA                                                                               \
    "CREATE TABLE run ("                                                                           \
    "  id INTEGER PRIMARY KEY CHECK (id = 1),"                                                     \
    "  name TEXT NOT NULL, created_utc_us INTEGER NOT NULL,"                                       \
    "  height INTEGER NOT NULL, width INTEGER NOT NULL,"                                           \
    "  channels INTEGER NOT NULL, classes INTEGER NOT NULL,"                                       \
    "  training_images INTEGER NOT NULL, data_check INTEGER NOT NULL,"                             \
    "  settings TEXT NOT NULL, pixel_mean REAL NOT NULL, pixel_std REAL NOT NULL,"                 \
    "  deadline_utc_us INTEGER NOT NULL DEFAULT 0,"                                                \
    "  search_deadline_utc_us INTEGER NOT NULL DEFAULT 0,"                                         \
    "  search_ended_utc_us INTEGER NOT NULL DEFAULT 0);"                                           \
    "CREATE TABLE tunings (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;"               \
    "CREATE TABLE candidates ("                                                                    \
    "  id INTEGER PRIMARY KEY, generation INTEGER NOT NULL, genome TEXT NOT NULL,"                 \
    "  operator TEXT NOT NULL, parent INTEGER REFERENCES candidates (id),"                         \
    "  redraws INTEGER NOT NULL, earlier INTEGER NOT NULL, earlier_mean REAL,"                     \
    "  earlier_deviation REAL, rung INTEGER NOT NULL,"                                             \
    "  parameters INTEGER NOT NULL, macs INTEGER NOT NULL, activations INTEGER NOT NULL);"         \
    "CREATE TABLE jobs ("                                                                          \
    "  id INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"                                             \
    "  candidate INTEGER NOT NULL REFERENCES candidates (id), replicate INTEGER NOT NULL,"         \
    "  epochs INTEGER NOT NULL, train_images INTEGER NOT NULL, seed INTEGER NOT NULL,"             \
    "  status TEXT NOT NULL, attempts INTEGER NOT NULL,"                                           \
    "  UNIQUE (kind, candidate, replicate));"                                                      \
    "CREATE INDEX jobs_waiting ON jobs (id) WHERE status = 'queued';"                              \
    "CREATE TRIGGER job_is_final BEFORE UPDATE OF status ON jobs"                                  \
    "  WHEN OLD.status NOT IN ('queued', 'running')"                                               \
    "  BEGIN SELECT RAISE(ABORT, 'a final job cannot change'); END;"                               \
    "CREATE TRIGGER tests_are_last BEFORE INSERT ON jobs"                                          \
    "  WHEN NEW.kind = 3 AND EXISTS (SELECT 1 FROM jobs WHERE kind <> 3 AND status IN"             \
    "  ('queued', 'running'))"                                                                     \
    "  BEGIN SELECT RAISE(ABORT, 'a test before the last training has ended'); END;"               \
    "CREATE TABLE workers ("                                                                       \
    "  id INTEGER PRIMARY KEY, slot INTEGER NOT NULL, device TEXT NOT NULL,"                       \
    "  platform TEXT NOT NULL, platform_version TEXT NOT NULL, driver_version TEXT NOT NULL,"      \
    "  device_version TEXT NOT NULL,"                                                              \
    "  started_utc_us INTEGER NOT NULL, ended_utc_us INTEGER, ending TEXT);"                       \
    "CREATE TABLE attempts ("                                                                      \
    "  job INTEGER NOT NULL REFERENCES jobs (id), attempt INTEGER NOT NULL,"                       \
    "  worker INTEGER NOT NULL REFERENCES workers (id), status TEXT NOT NULL,"                     \
    "  guilty INTEGER NOT NULL, message TEXT, started_utc_us INTEGER NOT NULL, duration_s REAL,"   \
    "  train_images INTEGER, train_loss REAL, validation_loss REAL, validation_accuracy REAL,"     \
    "  images_per_s REAL, gflops REAL, PRIMARY KEY (job, attempt)) WITHOUT ROWID;"                 \
    "CREATE UNIQUE INDEX one_claim ON attempts (job) WHERE status = 'running';"                    \
    "CREATE INDEX attempts_held ON attempts (worker) WHERE status = 'running';"                    \
    "CREATE TABLE epochs ("                                                                        \
    "  job INTEGER NOT NULL, attempt INTEGER NOT NULL, epoch INTEGER NOT NULL,"                    \
    "  train_loss REAL, train_accuracy REAL, seconds REAL, images_per_s REAL,"                     \
    "  PRIMARY KEY (job, attempt, epoch),"                                                         \
    "  FOREIGN KEY (job, attempt) REFERENCES attempts (job, attempt)) WITHOUT ROWID;"              \
    "CREATE TABLE weights ("                                                                       \
    "  job INTEGER PRIMARY KEY REFERENCES jobs (id), parameters BLOB NOT NULL);"                   \
    "CREATE TABLE tests ("                                                                         \
    "  job INTEGER PRIMARY KEY REFERENCES jobs (id), test_loss REAL, test_accuracy REAL,"          \
    "  classes INTEGER NOT NULL, predictions BLOB NOT NULL, confusion BLOB NOT NULL,"              \
    "  miss_pixels BLOB, labels BLOB NOT NULL);"                                                   \
    "CREATE TABLE states ("                                                                        \
    "  job INTEGER PRIMARY KEY REFERENCES jobs (id), parameters BLOB NOT NULL);"                   \
    "CREATE TABLE misses ("                                                                        \
    "  job INTEGER NOT NULL REFERENCES tests (job), place INTEGER NOT NULL,"                       \
    "  image INTEGER NOT NULL, label INTEGER NOT NULL, predicted INTEGER NOT NULL,"                \
    "  probability REAL NOT NULL, PRIMARY KEY (job, place)) WITHOUT ROWID;"                        \
    "CREATE TABLE events ("                                                                        \
    "  id INTEGER PRIMARY KEY, utc_us INTEGER NOT NULL, level TEXT NOT NULL, text TEXT NOT NULL);"

#endif
