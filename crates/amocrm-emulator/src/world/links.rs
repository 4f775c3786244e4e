//! Who is linked to whom.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::EntityType::{self, Companies, Contacts, Customers, Leads};

/// All links of an account. A pair is kept in both directions, so either side is found by a range.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Links {
    pairs: BTreeSet<(EntityType, u64, EntityType, u64)>,
    main_contacts: BTreeMap<u64, u64>,
    /// The same for customers.
    #[serde(default)]
    customer_contacts: BTreeMap<u64, u64>,
    elements: BTreeMap<EntityType, BTreeMap<u64, Vec<ElementLink>>>,
}

/// A link to an element of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ElementLink {
    /// The element.
    pub(crate) element_id: u64,
    /// Its list.
    pub(crate) catalog_id: u64,
    /// How many of it.
    pub(crate) quantity: f64,
    /// The field its price comes from.
    pub(crate) price_id: Option<u64>,
}

impl Links {
    /// Links two cards. A lead, a contact and a customer have one company each: a second one takes the place of the first.
    /// The first contact of a lead or customer becomes its main one.
    pub(crate) fn link(&mut self, a: (EntityType, u64), b: (EntityType, u64)) {
        for (one, other) in [(a, b), (b, a)] {
            if other.0 == Companies {
                let old: Vec<u64> = self
                    .linked(one.0, one.1, Companies)
                    .filter(|id| *id != other.1)
                    .collect();
                for company in old {
                    self.unlink(one, (Companies, company));
                }
            }
        }
        self.pairs.insert((a.0, a.1, b.0, b.1));
        self.pairs.insert((b.0, b.1, a.0, a.1));
        if let Some(((entity, id), contact)) = card_and_contact(a, b)
            && let Some(main) = self.main_contacts_mut(entity)
        {
            main.entry(id).or_insert(contact);
        }
    }

    /// Takes a link away; whether there was one. When the main contact goes, another takes its place.
    pub(crate) fn unlink(&mut self, a: (EntityType, u64), b: (EntityType, u64)) -> bool {
        let was = self.pairs.remove(&(a.0, a.1, b.0, b.1));
        self.pairs.remove(&(b.0, b.1, a.0, a.1));
        if let Some(((entity, id), contact)) = card_and_contact(a, b)
            && self.main_contact(entity, id) == Some(contact)
        {
            let next = self.linked(entity, id, Contacts).next();
            if let Some(main) = self.main_contacts_mut(entity) {
                match next {
                    Some(next) => main.insert(id, next),
                    None => main.remove(&id),
                };
            }
        }
        was
    }

    /// Makes a linked contact the main one of a lead or customer.
    pub(crate) fn set_main(&mut self, entity: EntityType, id: u64, contact: u64) {
        if let Some(main) = self.main_contacts_mut(entity) {
            main.insert(id, contact);
        }
    }

    /// The main contact of a lead or customer.
    pub(crate) fn main_contact(&self, entity: EntityType, id: u64) -> Option<u64> {
        let main = match entity {
            Leads => &self.main_contacts,
            Customers => &self.customer_contacts,
            Contacts | Companies => return None,
        };
        main.get(&id).copied()
    }

    fn main_contacts_mut(&mut self, entity: EntityType) -> Option<&mut BTreeMap<u64, u64>> {
        match entity {
            Leads => Some(&mut self.main_contacts),
            Customers => Some(&mut self.customer_contacts),
            Contacts | Companies => None,
        }
    }

    /// The cards of one type linked to a card, by id.
    pub(crate) fn linked(
        &self,
        entity: EntityType,
        id: u64,
        other: EntityType,
    ) -> impl Iterator<Item = u64> {
        self.pairs
            .range((entity, id, other, 0)..=(entity, id, other, u64::MAX))
            .map(|pair| pair.3)
    }

    /// Links an element of a list, or changes the quantity of one that is linked.
    pub(crate) fn link_element(&mut self, entity: EntityType, id: u64, link: ElementLink) {
        let links = self
            .elements
            .entry(entity)
            .or_default()
            .entry(id)
            .or_default();
        match links
            .iter_mut()
            .find(|l| l.element_id == link.element_id && l.catalog_id == link.catalog_id)
        {
            Some(old) => *old = link,
            None => links.push(link),
        }
    }

    /// Takes an element away.
    pub(crate) fn unlink_element(
        &mut self,
        entity: EntityType,
        id: u64,
        element_id: u64,
        catalog_id: u64,
    ) {
        if let Some(links) = self
            .elements
            .get_mut(&entity)
            .and_then(|by_id| by_id.get_mut(&id))
        {
            links.retain(|l| l.element_id != element_id || l.catalog_id != catalog_id);
        }
    }

    /// The list elements linked to a card.
    pub(crate) fn elements(&self, entity: EntityType, id: u64) -> &[ElementLink] {
        self.elements
            .get(&entity)
            .and_then(|by_id| by_id.get(&id))
            .map_or(&[], Vec::as_slice)
    }
}

/// The lead or customer of a pair, which has a main contact, and the contact.
pub(crate) fn card_and_contact(
    a: (EntityType, u64),
    b: (EntityType, u64),
) -> Option<((EntityType, u64), u64)> {
    match (a.0, b.0) {
        (Leads | Customers, Contacts) => Some((a, b.1)),
        (Contacts, Leads | Customers) => Some((b, a.1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_has_one_company_and_always_a_main_contact() {
        let mut links = Links::default();
        links.link((Leads, 1), (Companies, 10));
        links.link((Companies, 11), (Leads, 1));
        assert_eq!(links.linked(Leads, 1, Companies).collect::<Vec<_>>(), [11]);
        assert_eq!(links.linked(Companies, 10, Leads).count(), 0);

        links.link((Leads, 1), (Contacts, 21));
        links.link((Leads, 1), (Contacts, 20));
        assert_eq!(links.main_contact(Leads, 1), Some(21));
        links.unlink((Contacts, 21), (Leads, 1));
        assert_eq!(links.main_contact(Leads, 1), Some(20));
    }
}
