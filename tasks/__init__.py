"""How one step works: one folder per station, thin `@task` modules beside the pure modules that think."""
