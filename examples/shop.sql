-- A small shop: the database that `polydav demo` serves beside its files.
PRAGMA journal_mode = wal;

CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL UNIQUE
);

CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL REFERENCES customers,
    status TEXT NOT NULL DEFAULT 'open'
        CONSTRAINT order_status CHECK (status IN ('open', 'paid', 'shipped')),
    total DECIMAL NOT NULL CONSTRAINT order_total CHECK (total >= 0),
    note TEXT
);

INSERT INTO customers (id, name, email) VALUES
    (1, 'Ada', 'ada@example.org'),
    (2, 'Grace', 'grace@example.org');

INSERT INTO orders (id, customer, status, total, note) VALUES
    (1001, 1, 'paid', 120.50, NULL),
    (1002, 2, 'open', 18, 'gift wrap'),
    (1003, 1, 'open', 7.25, NULL);
