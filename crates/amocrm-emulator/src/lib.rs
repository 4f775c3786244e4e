//! amocrm-emulator
