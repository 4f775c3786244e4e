-- Sums per day for the dashboard: a view of it reads these, however many leads there are. A day is counted by the
-- office's calendar (Options::time_zone); here, for what was there before, by Moscow's, which is the default: +03:00.
CREATE TABLE lead_tallies (
    measure TEXT   NOT NULL,                        -- accepted, delivered, reached, failed
    day     BIGINT NOT NULL,                        -- since 1970-01-01
    key     TEXT   NOT NULL,                        -- a source, a delay, a status, a reason; few of each per day
    value   BIGINT NOT NULL,
    PRIMARY KEY (measure, day, key)
);

-- How far leads have been added up to sums of `accepted`. It is done afterwards, in batches, so that taking a lead costs
-- nothing for it; what is not added up yet is counted when it is looked at.
CREATE TABLE lead_folds (
    measure   TEXT   NOT NULL PRIMARY KEY,
    folded_to BIGINT NOT NULL                       -- the last lead that is in the sums
);
INSERT INTO lead_folds (measure, folded_to) VALUES ('accepted', 0);

INSERT INTO lead_tallies (measure, day, key, value)
SELECT 'delivered', (created_at + 10800000000) / 86400000000,
       CASE
           WHEN delivered_at - created_at <= 200000 THEN '200'
           WHEN delivered_at - created_at <= 500000 THEN '500'
           WHEN delivered_at - created_at <= 1000000 THEN '1000'
           WHEN delivered_at - created_at <= 2000000 THEN '2000'
           WHEN delivered_at - created_at <= 3000000 THEN '3000'
           WHEN delivered_at - created_at <= 5000000 THEN '5000'
           WHEN delivered_at - created_at <= 10000000 THEN '10000'
           WHEN delivered_at - created_at <= 20000000 THEN '20000'
           WHEN delivered_at - created_at <= 30000000 THEN '30000'
           WHEN delivered_at - created_at <= 60000000 THEN '60000'
           WHEN delivered_at - created_at <= 120000000 THEN '120000'
           WHEN delivered_at - created_at <= 300000000 THEN '300000'
           WHEN delivered_at - created_at <= 600000000 THEN '600000'
           WHEN delivered_at - created_at <= 1800000000 THEN '1800000'
           WHEN delivered_at - created_at <= 3600000000 THEN '3600000'
           WHEN delivered_at - created_at <= 7200000000 THEN '7200000'
           WHEN delivered_at - created_at <= 21600000000 THEN '21600000'
           WHEN delivered_at - created_at <= 43200000000 THEN '43200000'
           WHEN delivered_at - created_at <= 86400000000 THEN '86400000'
           ELSE 'over'
       END,
       count(*)
FROM leads WHERE delivered_at IS NOT NULL GROUP BY 2, 3;

-- A lead that skipped a stage has passed it: it is counted in every stage up to the furthest it reached.
INSERT INTO lead_tallies (measure, day, key, value)
SELECT 'reached', (lead.created_at + 10800000000) / 86400000000, stage.word, count(*)
FROM (SELECT lead_id,
             max(CASE to_status
                     WHEN 'contacted' THEN 1
                     WHEN 'presentation' THEN 2
                     WHEN 'selection' THEN 3
                     WHEN 'reservation' THEN 4
                     WHEN 'deal' THEN 5
                     WHEN 'completed' THEN 6
                     ELSE 0
                 END) AS furthest,
             max(CASE to_status WHEN 'lost' THEN 1 ELSE 0 END) AS lost
      FROM lead_history GROUP BY lead_id) AS way
JOIN leads AS lead ON lead.id = way.lead_id
JOIN (SELECT 1 AS place, 'contacted' AS word
      UNION ALL SELECT 2, 'presentation'
      UNION ALL SELECT 3, 'selection'
      UNION ALL SELECT 4, 'reservation'
      UNION ALL SELECT 5, 'deal'
      UNION ALL SELECT 6, 'completed'
      UNION ALL SELECT 0, 'lost') AS stage
    ON (stage.place > 0 AND stage.place <= way.furthest) OR (stage.place = 0 AND way.lost = 1)
GROUP BY 2, 3;
