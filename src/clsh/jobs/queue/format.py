"""The tables of the queue; docs/design/queue.md says what is in them."""

from __future__ import annotations

FILE = "jobs.db"

MIGRATIONS = (
    """
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        owner TEXT NOT NULL, state TEXT NOT NULL, name TEXT NOT NULL, words TEXT NOT NULL,
        key TEXT, submitted REAL NOT NULL, started REAL NOT NULL DEFAULT 0,
        ended REAL NOT NULL DEFAULT 0, held INTEGER NOT NULL, size INTEGER NOT NULL,
        next INTEGER NOT NULL DEFAULT 0, rest TEXT NOT NULL DEFAULT 'pending',
        counts TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', request TEXT NOT NULL
    );
    CREATE UNIQUE INDEX jobs_key ON jobs(owner, key) WHERE key IS NOT NULL;
    CREATE INDEX jobs_list ON jobs(owner, state, name, submitted);
    CREATE INDEX jobs_words ON jobs(owner, state, name, submitted, words);
    CREATE INDEX jobs_open ON jobs(id) WHERE ended = 0;
    CREATE INDEX jobs_ended ON jobs(ended) WHERE ended > 0;
    CREATE TABLE tasks (
        job INTEGER NOT NULL, idx INTEGER NOT NULL, position INTEGER NOT NULL,
        state TEXT NOT NULL, attempt INTEGER NOT NULL, places TEXT NOT NULL, why TEXT NOT NULL,
        started REAL NOT NULL, ended REAL NOT NULL, status INTEGER, signal TEXT NOT NULL,
        reason TEXT NOT NULL, rss INTEGER NOT NULL, cancelled INTEGER NOT NULL,
        PRIMARY KEY (job, idx)
    ) WITHOUT ROWID;
    CREATE TABLE job_nodes (
        job INTEGER NOT NULL, node TEXT NOT NULL, PRIMARY KEY (job, node)
    ) WITHOUT ROWID;
    CREATE INDEX job_nodes_node ON job_nodes(node, job);
    INSERT INTO facts VALUES ('name', 'q' || lower(hex(randomblob(4))));
    """,
    """
    CREATE TABLE notices (
        job INTEGER NOT NULL, id TEXT NOT NULL, who TEXT NOT NULL, lane TEXT NOT NULL,
        made REAL NOT NULL, due REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
        settled REAL NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', facts TEXT NOT NULL,
        PRIMARY KEY (id, who)
    ) WITHOUT ROWID;
    CREATE INDEX notices_due ON notices(lane, due) WHERE settled = 0;
    CREATE INDEX notices_job ON notices(job);
    """,
    """
    CREATE TABLE tallies (
        owner TEXT NOT NULL, state TEXT NOT NULL, jobs INTEGER NOT NULL,
        PRIMARY KEY (owner, state)
    ) WITHOUT ROWID;
    INSERT INTO tallies SELECT owner, state, count(*) FROM jobs GROUP BY owner, state;
    CREATE TRIGGER jobs_come AFTER INSERT ON jobs BEGIN
        INSERT INTO tallies VALUES (new.owner, new.state, 1)
            ON CONFLICT DO UPDATE SET jobs = jobs + 1;
    END;
    CREATE TRIGGER jobs_go AFTER DELETE ON jobs BEGIN
        UPDATE tallies SET jobs = jobs - 1 WHERE owner = old.owner AND state = old.state;
    END;
    CREATE TRIGGER jobs_turn AFTER UPDATE OF state ON jobs WHEN old.state <> new.state BEGIN
        UPDATE tallies SET jobs = jobs - 1 WHERE owner = old.owner AND state = old.state;
        INSERT INTO tallies VALUES (new.owner, new.state, 1)
            ON CONFLICT DO UPDATE SET jobs = jobs + 1;
    END;
    DROP INDEX jobs_list;
    DROP INDEX jobs_words;
    CREATE INDEX jobs_words ON jobs(id, owner, state, submitted, name, words);
    CREATE INDEX jobs_id ON jobs(id, owner, state);
    CREATE INDEX jobs_submitted ON jobs(submitted, id, owner, state);
    CREATE INDEX jobs_name ON jobs(name, id, owner, state);
    CREATE INDEX jobs_owner ON jobs(owner, id, state);
    CREATE INDEX jobs_failed ON jobs(ended, owner) WHERE state = 'failed';
    CREATE INDEX tasks_state ON tasks(job, state, position);
    ALTER TABLE tasks ADD COLUMN queue TEXT NOT NULL DEFAULT '';
    CREATE TABLE gone (
        job INTEGER NOT NULL, idx INTEGER NOT NULL, attempt INTEGER NOT NULL,
        node TEXT NOT NULL, queue TEXT NOT NULL, owner TEXT NOT NULL,
        due REAL NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (node, job, idx, attempt)
    ) WITHOUT ROWID;
    CREATE INDEX gone_due ON gone(due);
    """,
)
