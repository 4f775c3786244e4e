-- Whether the lease of the claim before ran out: its holder may still be at work.
ALTER TABLE jobs ADD COLUMN taken_over BIGINT NOT NULL DEFAULT 0;
