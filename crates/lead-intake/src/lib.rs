//! lead-intake
