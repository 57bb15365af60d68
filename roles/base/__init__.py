"""What every host needs: packages in one transaction, users, no surprise restarts by apt."""
