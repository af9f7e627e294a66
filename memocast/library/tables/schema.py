"""The tables of a library's database, as migrations from each version to the next.

`docs/formats.md` describes them. `PRAGMA user_version` is the version a database has.
"""

from __future__ import annotations

# A semicolon at the end of a line ends a statement; none inside a trigger is at the end of a line.
MIGRATIONS = (
    """
    CREATE TABLE memo (
        number      INTEGER PRIMARY KEY,       -- the order in which memos arrived
        id          TEXT NOT NULL UNIQUE,
        title       TEXT NOT NULL,
        description TEXT NOT NULL,
        created     INTEGER NOT NULL,          -- unix seconds
        duration    INTEGER NOT NULL,          -- milliseconds
        bytes       INTEGER NOT NULL,
        format      TEXT NOT NULL,             -- the audio file's extension
        origin      TEXT NOT NULL CHECK (origin IN ('recorded', 'added', 'fetched')),
        peaks       BLOB NOT NULL,
        sha256      BLOB NOT NULL,             -- of the audio file
        mtime       INTEGER NOT NULL           -- of the audio file, nanoseconds
    ) STRICT;
    CREATE TABLE torrent (
        memo        TEXT PRIMARY KEY REFERENCES memo (id) ON DELETE CASCADE,
        info_hash   TEXT NOT NULL UNIQUE,      -- hex; SHA-256 for a v2-only torrent
        second_hash TEXT UNIQUE,               -- the SHA-256 one of a hybrid torrent
        content     BLOB NOT NULL,             -- a .torrent: info and piece layers, as first shared
        dn          TEXT NOT NULL,             -- the magnet's display name
        trackers    TEXT NOT NULL,             -- those of the link it came by, a line each
        shared      INTEGER NOT NULL,          -- 1: by the user's own 'share'
        uploaded    INTEGER NOT NULL DEFAULT 0,
        copies      INTEGER NOT NULL DEFAULT 0,  -- complete peers ever seen
        last_copy   INTEGER                      -- unix seconds
    ) STRICT;
    CREATE TABLE state (
        key         TEXT PRIMARY KEY,
        value       TEXT NOT NULL
    ) STRICT;
    """,
    """
    -- Milliseconds of sound that did not arrive while it was recorded.
    ALTER TABLE memo ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
    """,
    """
    -- When it was last shared or asked for, in unix seconds: browsers are offered the latest.
    ALTER TABLE torrent ADD COLUMN wanted INTEGER NOT NULL DEFAULT 0;
    UPDATE torrent SET wanted = (SELECT created FROM memo WHERE memo.id = torrent.memo);
    """,
    """
    -- A memo can be shared in several ways, each with a torrent of its own.
    ALTER TABLE torrent RENAME TO torrent_3;
    CREATE TABLE torrent (
        number      INTEGER PRIMARY KEY,
        memo        TEXT NOT NULL REFERENCES memo (id) ON DELETE CASCADE,
        mode        TEXT NOT NULL CHECK (mode IN ('public', 'private', 'addressed')),
        recipients  TEXT NOT NULL,             -- whom it is sealed to, a line each
        key         TEXT NOT NULL,             -- the age identity in the link of a private share
        lan         INTEGER NOT NULL,          -- 1: told to nobody outside the local network
        arrived     INTEGER NOT NULL,          -- 1: it came by a link
        shared      INTEGER NOT NULL,          -- 1: by the user's own 'share'
        stopped     INTEGER NOT NULL DEFAULT 0,  -- 1: by 'unshare'
        info_hash   TEXT NOT NULL UNIQUE,      -- hex; SHA-256 for a v2-only torrent
        second_hash TEXT UNIQUE,               -- the SHA-256 one of a hybrid torrent
        content     BLOB NOT NULL,             -- a .torrent: info and piece layers, as first shared
        dn          TEXT NOT NULL,             -- the magnet's display name
        trackers    TEXT NOT NULL,             -- those of the link it came by, a line each
        bytes       INTEGER NOT NULL,          -- of the age file in sealed/; 0 when there is none
        mtime       INTEGER NOT NULL,          -- of that file, nanoseconds
        sha256      BLOB NOT NULL,             -- of that file
        uploaded    INTEGER NOT NULL DEFAULT 0,
        copies      INTEGER NOT NULL DEFAULT 0,  -- complete peers ever seen
        last_copy   INTEGER,                     -- unix seconds
        wanted      INTEGER NOT NULL,            -- when last shared or asked for, unix seconds
        UNIQUE (memo, mode, recipients)
    ) STRICT;
    INSERT INTO torrent (memo, mode, recipients, key, lan, arrived, shared, info_hash, second_hash,
        content, dn, trackers, bytes, mtime, sha256, uploaded, copies, last_copy, wanted)
        SELECT memo, 'public', '', '', 0, memo.origin = 'fetched', shared, info_hash, second_hash,
        content, dn, trackers, 0, 0, x'', uploaded, copies, last_copy, wanted
        FROM torrent_3 JOIN memo ON memo.id = torrent_3.memo;
    DROP TABLE torrent_3;
    """,
    """
    -- Whatever the number of memos: the newest are found by an index, words by another, and
    -- the piece hashes that a link takes are there before anybody asks for one.
    -- `search` is what `searched` makes of the title and the description.
    ALTER TABLE memo ADD COLUMN search TEXT NOT NULL DEFAULT '';
    UPDATE memo SET search = searched(title, description);
    CREATE INDEX memo_created ON memo (created);
    CREATE VIRTUAL TABLE memo_text USING fts5(
        search, content = 'memo', content_rowid = 'number', detail = 'none',
        tokenize = 'trigram case_sensitive 1'
    );
    INSERT INTO memo_text (memo_text) VALUES ('rebuild');
    CREATE TRIGGER memo_added AFTER INSERT ON memo BEGIN
        INSERT INTO memo_text (rowid, search) VALUES (new.number, new.search);  END;
    CREATE TRIGGER memo_removed AFTER DELETE ON memo BEGIN
        INSERT INTO memo_text (memo_text, rowid, search)
        VALUES ('delete', old.number, old.search);  END;
    CREATE TRIGGER memo_changed AFTER UPDATE OF search ON memo BEGIN
        INSERT INTO memo_text (memo_text, rowid, search)
        VALUES ('delete', old.number, old.search);  INSERT INTO memo_text (rowid, search)
        VALUES (new.number, new.search);  END;
    CREATE TABLE pieces (
        memo        INTEGER PRIMARY KEY REFERENCES memo (number) ON DELETE CASCADE,
        sha1        BLOB NOT NULL                -- of each piece that a torrent of it has
    ) STRICT;
    """,
    """
    -- Channels, of the user's own or followed; the pages of their feeds; the items on these.
    CREATE TABLE channel (
        number      INTEGER PRIMARY KEY,
        key         BLOB NOT NULL,               -- Ed25519, public
        salt        BLOB NOT NULL,
        kind        TEXT NOT NULL DEFAULT 'channel' CHECK (kind IN ('channel', 'pair')),
        name        TEXT NOT NULL UNIQUE,
        secret      BLOB NOT NULL,               -- its private half; empty where only followed
        age         TEXT NOT NULL,               -- the identity that opens a private channel
        trackers    TEXT NOT NULL,               -- those of its link, a line each
        source      TEXT NOT NULL DEFAULT '',    -- of a podcast: the URL or file of its feed
        state       TEXT NOT NULL DEFAULT '',    -- and what its server said of the last answer
        head        TEXT NOT NULL DEFAULT '',    -- the info-hash of its newest page
        seq         INTEGER NOT NULL DEFAULT -1, -- of its newest signed item (BEP 44)
        value       BLOB,
        signature   BLOB,
        newest      INTEGER NOT NULL,            -- what to take of it: so many memos,
        max_size    INTEGER NOT NULL,            -- of so many bytes,
        keep_days   INTEGER NOT NULL,            -- for so long
        checked     INTEGER NOT NULL DEFAULT 0,  -- when it was last looked for, unix seconds
        problem     TEXT NOT NULL DEFAULT '',    -- and what went wrong then
        UNIQUE (key, salt, source)
    ) STRICT;
    CREATE TABLE page (
        channel     INTEGER NOT NULL REFERENCES channel (number) ON DELETE CASCADE,
        info_hash   TEXT NOT NULL,
        next        TEXT NOT NULL,               -- the page before it
        content     BLOB NOT NULL,               -- a .torrent
        bytes       INTEGER NOT NULL,            -- of its file in 'feeds'
        mtime       INTEGER NOT NULL,
        retired     INTEGER NOT NULL DEFAULT 0,  -- since when nothing leads to it, unix seconds
        PRIMARY KEY (channel, info_hash)
    ) STRICT;
    CREATE INDEX page_hash ON page (info_hash);
    CREATE TABLE item (
        number      INTEGER PRIMARY KEY,         -- in the order of publication
        channel     INTEGER NOT NULL REFERENCES channel (number) ON DELETE CASCADE,
        id          TEXT NOT NULL,
        page        TEXT,                        -- the page it is on; null: on none yet
        title       TEXT NOT NULL,
        text        TEXT NOT NULL,
        published   INTEGER NOT NULL,            -- unix seconds
        link        TEXT NOT NULL,
        audio       TEXT NOT NULL DEFAULT '',    -- of a podcast: where it is on the web
        mime        TEXT NOT NULL,
        bytes       INTEGER NOT NULL,
        duration    INTEGER NOT NULL,            -- milliseconds
        memo        TEXT REFERENCES memo (id) ON DELETE SET NULL,
        arrived     INTEGER,                     -- as a memo, unix seconds; stays when that goes
        heard       INTEGER NOT NULL DEFAULT 0,
        problem     TEXT NOT NULL DEFAULT '',    -- why it did not arrive
        tries       INTEGER NOT NULL DEFAULT 0,
        tried       INTEGER NOT NULL DEFAULT 0,  -- when it last was to be fetched, unix seconds
        UNIQUE (channel, id)
    ) STRICT;
    -- Paired devices: what they agree on, and what was changed here since they last heard of it.
    CREATE TABLE replica (
        key         TEXT PRIMARY KEY,            -- a memo's id, or the info-hash that it came by
        memo        TEXT,                        -- the id that it has here
        title       TEXT NOT NULL,
        title_at    TEXT NOT NULL,               -- of the last change: [ms, count, device]
        description TEXT NOT NULL,
        description_at TEXT NOT NULL,
        removed_at  TEXT NOT NULL,
        created     INTEGER NOT NULL,            -- unix seconds
        duration    INTEGER NOT NULL,            -- milliseconds
        bytes       INTEGER NOT NULL,
        origin      TEXT NOT NULL,
        link        TEXT NOT NULL                -- to its audio
    ) STRICT;
    CREATE INDEX replica_memo ON replica (memo);
    CREATE TABLE edit (
        number      INTEGER PRIMARY KEY AUTOINCREMENT,
        memo        TEXT NOT NULL,
        field       TEXT NOT NULL,
        at          INTEGER NOT NULL,            -- unix milliseconds
        UNIQUE (memo, field) ON CONFLICT REPLACE
    ) STRICT;
    ALTER TABLE torrent ADD COLUMN paired INTEGER NOT NULL DEFAULT 0;
    CREATE TRIGGER memo_was_added AFTER INSERT ON memo
        WHEN EXISTS (SELECT 1 FROM channel WHERE kind = 'pair') BEGIN
        INSERT INTO edit (memo, field, at) VALUES (new.id, 'added',
            CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER));  END;
    CREATE TRIGGER memo_was_removed AFTER DELETE ON memo
        WHEN EXISTS (SELECT 1 FROM channel WHERE kind = 'pair') BEGIN
        INSERT INTO edit (memo, field, at) VALUES (old.id, 'removed',
            CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER));  END;
    CREATE TRIGGER memo_was_named AFTER UPDATE OF title ON memo
        WHEN new.title != old.title AND EXISTS (SELECT 1 FROM channel WHERE kind = 'pair') BEGIN
        INSERT INTO edit (memo, field, at) VALUES (new.id, 'title',
            CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER));  END;
    CREATE TRIGGER memo_was_described AFTER UPDATE OF description ON memo
        WHEN new.description != old.description
        AND EXISTS (SELECT 1 FROM channel WHERE kind = 'pair') BEGIN
        INSERT INTO edit (memo, field, at) VALUES (new.id, 'description',
            CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER));  END;
    CREATE INDEX item_memo ON item (memo);
    CREATE INDEX item_page ON item (channel, page, number);
    CREATE INDEX item_unheard ON item (published) WHERE memo IS NOT NULL AND NOT heard;
    """,
    """
    -- 1: it came from a podcast's public feed, so its trackers are asked at public addresses only.
    ALTER TABLE torrent ADD COLUMN public_only INTEGER NOT NULL DEFAULT 0;
    UPDATE torrent SET public_only = 1 WHERE arrived AND memo IN (
        SELECT item.memo FROM item JOIN channel ON channel.number = item.channel
        WHERE source LIKE 'http%' AND state NOT LIKE '%"inside": true%');
    """,
)
