"""Understanding: what a text says. Text → language, intent with confidence, facts such as amounts and times.

Pure; no database.
Built with the first story (the diagnosis of a failed payment); nothing is here yet.
"""
