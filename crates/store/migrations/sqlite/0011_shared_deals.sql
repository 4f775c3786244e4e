-- Several leads may share a deal: amoCRM's duplicate control folds a new deal into the open one of the same contact.
DROP INDEX leads_amo;
CREATE INDEX leads_amo ON leads (account, amo_lead_id) WHERE amo_lead_id IS NOT NULL;
