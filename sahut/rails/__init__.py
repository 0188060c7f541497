"""Rails: adapters to the providers of money: bank, card, biller, and a sandbox of them. Nothing is here yet."""
