raise RuntimeError("this plug-in cannot even be imported")
